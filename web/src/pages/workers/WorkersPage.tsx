import { useQuery } from "@tanstack/react-query";
import type { WorkerOverviewList } from "@/api/types";
import { workersQuery } from "@/api/workerQueries";
import { counted } from "@/format/numbers";
import { duration } from "@/format/times";
import { Page, PageHead } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Failure, Notice, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { NoWorkers } from "./NoWorkers";
import { Queues } from "./Queues";
import { SharedLimits } from "./SharedLimits";
import { WorkerTable } from "./WorkerTable";

/** Who executes runs, what waits for whom, and how shared limits are divided. */
export function WorkersPage() {
  const workers = useQuery(workersQuery);
  const found = workers.data;
  return (
    <Page crumbs={[{ name: "Workers" }]}>
      <PageHead title="Workers" facts={found && <Facts found={found} />} />
      {workers.error && (
        <Failure
          error={workers.error}
          onRetry={workers.refetch}
          staleSince={found && workers.dataUpdatedAt}
        />
      )}
      {workers.isPending && <Skeleton />}
      {found && (
        <>
          <Findings found={found} />
          {found.data.length > 0 && <WorkerTable workers={found.data} />}
          {found.shared && !found.data.some((worker) => worker.state === "live") && <NoWorkers />}
          <Queues found={found} />
          <SharedLimits limits={found.limits} />
        </>
      )}
    </Page>
  );
}

function Facts({ found }: { found: WorkerOverviewList }) {
  const live = found.data.filter((worker) => worker.state === "live").length;
  const silent = found.data.length - live;
  return (
    <>
      <span>
        {live} at work{silent > 0 && `, ${silent} silent`}
      </span>
      <span>{counted(found.runs.length, "run")} under way</span>
      {found.shared ? (
        <span>a worker counts as dead after {duration(found.lease_s)} of silence</span>
      ) : (
        <span>with SQLite the server’s own executor is the only one</span>
      )}
      <span>server {found.release}</span>
    </>
  );
}

/** What needs attention, and what is worth knowing; who is at work is in the table. */
function Findings({ found }: { found: WorkerOverviewList }) {
  const told = found.findings.filter((finding) => finding.is_problem || !finding.text.startsWith("Workers:"));
  return told.map((finding) =>
    finding.is_problem ? (
      <div key={finding.text} className="notice error">
        <Icon name="error" className="error" />
        <div>
          <Name text={finding.text} />
        </div>
      </div>
    ) : (
      <Notice key={finding.text}>
        <Name text={finding.text} />
      </Notice>
    ),
  );
}
