import type { SharedLimit } from "@/api/types";
import { count } from "@/format/numbers";
import { Scroll, Section } from "@/layout/Page";
import { Name } from "@/text/SafeText";

/** How many calls of each limit every worker may have under way, and how many it would have. */
export function SharedLimits({ limits }: { limits: readonly SharedLimit[] }) {
  if (limits.length === 0) return null;
  return (
    <Section id="limits" title="Shared limits" aside="calls at once; divided anew every half second">
      <Scroll label="Parts of limits">
        <table>
          <thead>
            <tr>
              <th scope="col">Limit</th>
              <th scope="col">Worker</th>
              <th scope="col" className="right">
                Has
              </th>
              <th scope="col" className="right">
                Would use
              </th>
            </tr>
          </thead>
          {limits.map((limit) => (
            <tbody key={limit.name}>
              {limit.parts.map((part, place) => (
                <tr key={part.worker}>
                  {place === 0 && (
                    <th scope="rowgroup" rowSpan={limit.parts.length} className="c-limit">
                      <Name text={limit.name} />
                    </th>
                  )}
                  <td className="mono">
                    <Name text={part.worker} />
                  </td>
                  <td className="right">{count(part.slots)}</td>
                  <td className="right">{count(part.wanted)}</td>
                </tr>
              ))}
            </tbody>
          ))}
        </table>
      </Scroll>
    </Section>
  );
}
