import type { EndpointOverview } from "@/api/types";
import { Name } from "@/text/SafeText";

/** What a million tokens cost, as configured. */
export function Prices({ endpoint }: { endpoint: EndpointOverview }) {
  return (
    <section aria-label={`Prices of ${endpoint.name}`}>
      <div className="section-head">
        <h3>Prices</h3>
        <span className="aside">US dollars per million tokens</span>
      </div>
      {endpoint.prices.length === 0 ? (
        <p className="second">
          None are configured, so the cost of a run is not known. <code>prices</code> of the endpoint names
          them.
        </p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" className="right">
                In
              </th>
              <th scope="col" className="right">
                In, cached
              </th>
              <th scope="col" className="right">
                Out
              </th>
            </tr>
          </thead>
          <tbody>
            {endpoint.prices.map((each) => (
              <tr key={each.model}>
                <th scope="row" className="mono">
                  <Name text={each.model} />
                </th>
                <td className="right">${each.input}</td>
                <td className="right">${each.cached_input ?? each.input}</td>
                <td className="right">${each.output}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
