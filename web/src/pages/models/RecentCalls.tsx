import { Link } from "@tanstack/react-router";
import type { EndpointOverview, EndpointSeen } from "@/api/types";
import { count } from "@/format/numbers";
import { ago } from "@/format/times";
import type { Flow } from "@/pages/run/limiter";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

/** How the calls of the newest runs went. */
export function RecentCalls({ endpoint }: { endpoint: EndpointOverview }) {
  if (endpoint.seen.length === 0) return null;
  return (
    <section aria-label={`Recent calls to ${endpoint.name}`}>
      <div className="section-head">
        <h3>Recent calls</h3>
        <span className="aside">of the newest runs</span>
      </div>
      <table className="recent-calls">
        <thead>
          <tr>
            <th scope="col">Run</th>
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
  return (
    <tr>
      <th scope="row" className="c-run" title={visibleText(seen.run_name)}>
        {!seen.reachable && (
          <>
            <Icon name="error" className="error" />
            <span className="hidden-text">out of reach: </span>
          </>
        )}
        <Link to="/evals/$evalId/runs/$runId" params={{ evalId: seen.eval_id, runId: seen.run_id }}>
          <Name text={seen.run_name || seen.run_id} />
        </Link>
      </th>
      <td className="second c-for">
        <Purpose seen={seen} />
      </td>
      <td className="right">{shown(flow.in_flight)}</td>
      <td className="right">{shown(flow.waiting)}</td>
      <td className="right">{shown(flow.concurrency)}</td>
      <td className="right second">{ago(seen.at)}</td>
    </tr>
  );
}

/** What the run called the endpoint for. */
function Purpose({ seen }: { seen: EndpointSeen }) {
  if (seen.role === "target") {
    return (
      <span className="mono">
        <Name text={seen.model ?? "–"} />
      </span>
    );
  }
  if (seen.role === "embeddings") return <>embeddings</>;
  return (
    <>
      judge of <Name text={seen.criterion ?? "–"} />
    </>
  );
}

function shown(value: number | undefined): string {
  return value === undefined ? "–" : count(value);
}
