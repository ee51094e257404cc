import type { EndpointOverview, EndpointSeen } from "@/api/types";
import { count } from "@/format/numbers";
import { ago } from "@/format/times";
import type { Flow } from "@/pages/run/limiter";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";

const ROLES: Record<EndpointSeen["role"], string> = {
  target: "asked",
  judge: "judge",
  embeddings: "embeddings",
};

/** How the calls of the newest runs went. */
export function RecentCalls({ endpoint }: { endpoint: EndpointOverview }) {
  if (endpoint.seen.length === 0) return null;
  return (
    <section aria-label={`Recent calls to ${endpoint.name}`}>
      <div className="section-head">
        <h3>Recent calls</h3>
        <span className="aside">of the newest runs</span>
      </div>
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">For</th>
            <th scope="col" className="right">
              In flight
            </th>
            <th scope="col" className="right">
              Waiting
            </th>
            <th scope="col" className="right">
              Allowed at once
            </th>
            <th scope="col" className="right">
              When
            </th>
          </tr>
        </thead>
        <tbody>
          {endpoint.seen.map((each) => (
            <SeenRow key={`${each.run_id} ${each.role} ${each.criterion}`} seen={each} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function SeenRow({ seen }: { seen: EndpointSeen }) {
  const flow = seen.limiter as Flow;
  const model = flow.model ?? seen.model ?? "";
  return (
    <tr>
      <th scope="row" className="mono">
        {!seen.reachable && (
          <>
            <Icon name="error" className="error" />
            <span className="hidden-text">out of reach: </span>
          </>
        )}
        <Name text={model || "–"} />
      </th>
      <td className="second">
        {ROLES[seen.role]}
        {seen.criterion !== null && (
          <>
            {" of "}
            <Name text={seen.criterion} />
          </>
        )}
      </td>
      <td className="right">{shown(flow.in_flight)}</td>
      <td className="right">{shown(flow.waiting)}</td>
      <td className="right">{shown(flow.concurrency)}</td>
      <td className="right second">{ago(seen.at)}</td>
    </tr>
  );
}

function shown(value: number | undefined): string {
  return value === undefined ? "–" : count(value);
}
