import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { limitsQuery } from "@/api/accessQueries";
import { publicAddress } from "@/api/place";
import { Page, PageHead } from "@/layout/Page";
import { type Asking, Snippet } from "@/states/Snippet";
import { Empty, Failure, Skeleton } from "@/states/States";
import { useMay, useRefusal, useSession } from "@/states/session";
import { visibleText } from "@/text/visible";
import { LimitsTable } from "./LimitsTable";
import { LIMITS } from "./words";

/** What the project may use, and what of it is used. */
export function LimitsPage() {
  const limits = useQuery(limitsQuery);
  const { project } = useSession();
  const refusal = useRefusal("operate");
  const mayManage = useMay("manage");
  const found = limits.data;
  const set = found && LIMITS.filter(({ name }) => found[name] !== null).length;
  return (
    <Page crumbs={[{ name: "Limits" }]}>
      <PageHead
        title="Limits"
        facts={
          <>
            {project && <span>project {visibleText(project.name)}</span>}
            {set !== undefined && (
              <span>{set === 0 ? "no limit is set" : `${set} of ${LIMITS.length} set`}</span>
            )}
          </>
        }
      />
      {limits.error && (
        <Failure error={limits.error} onRetry={limits.refetch} staleSince={found && limits.dataUpdatedAt} />
      )}
      {limits.isPending && <Skeleton />}
      {found && (
        <>
          <p className="second retention-words">
            What this project may use, whoever acts in it. A single key can be given fewer requests a minute{" "}
            {mayManage ? <Link to="/keys">where keys are listed</Link> : "by an administrator of the project"}
            . Every server heeds a change within a second.{" "}
            {refusal && `Only whoever operates the server changes limits. ${refusal}`}
          </p>
          <LimitsTable found={found} />
          {set === 0 && refusal === undefined && <NoLimits />}
        </>
      )}
    </Page>
  );
}

/** Why there might be some, and how a program sets them. */
function NoLimits() {
  return (
    <Empty title="Nothing is limited yet" snippet={<Snippet codes={codes} />}>
      <p>
        Before others are let in, say what they may use, so that a mistake of one project does not take the
        disk, the money or the time of all. <i>Change</i> sets a limit and removes it.
      </p>
    </Empty>
  );
}

function codes({ curl }: Asking): Record<string, string> {
  return {
    Shell: "evalhaven limits set --requests 600 --month-cost 500",
    curl: `${curl} ${publicAddress("/api/limits")} \\
  -H 'Content-Type: application/json' \\
  -d '{"requests_per_minute": 600, "month_cost": 500}'`,
  };
}
