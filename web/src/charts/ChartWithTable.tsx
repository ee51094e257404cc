import { type ReactNode, useState } from "react";

type Props = {
  sentence: string;
  head: readonly string[];
  rows: readonly (readonly string[])[];
  /** Draws the chart, an image that `said` describes. */
  children: (said: string) => ReactNode;
};

/** A chart whose numbers can be shown as a table instead. */
export function ChartWithTable({ sentence, head, rows, children }: Props) {
  const [isTable, setTable] = useState(false);
  return (
    <figure>
      {isTable ? (
        <div className="scroll chart-table" tabIndex={-1}>
          <table>
            <caption className="hidden-text">{sentence}</caption>
            <thead>
              <tr>
                {head.map((each, place) => (
                  <th key={each} scope="col" className={place === 0 ? "" : "right"}>
                    {each}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(([first, ...others]) => (
                <tr key={first}>
                  <th scope="row">{first}</th>
                  {others.map((each, place) => (
                    <td key={place} className="right">
                      {each}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        children(sentence)
      )}
      <button
        type="button"
        className="button plain slim"
        aria-pressed={isTable}
        onClick={() => setTable(!isTable)}
      >
        {isTable ? "Show as chart" : "Show as table"}
      </button>
    </figure>
  );
}
