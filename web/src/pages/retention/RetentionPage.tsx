import { useQuery } from "@tanstack/react-query";
import { logStatusQuery } from "@/api/logQueries";
import type { LogStatus } from "@/api/types";
import { bytes, count, counted } from "@/format/numbers";
import { Page, PageHead, Scroll, Section } from "@/layout/Page";
import { Failure, Skeleton } from "@/states/States";

/** For how long logged calls are kept, which days there are, and when each is dropped. */
export function RetentionPage() {
  const status = useQuery(logStatusQuery);
  const found = status.data;
  return (
    <Page crumbs={[{ name: "Logs", to: "/logs" }, { name: "Retention" }]}>
      <PageHead title="Retention of logged calls" facts={found && <Rule status={found} />} />
      {status.error && (
        <Failure error={status.error} onRetry={status.refetch} staleSince={found && status.dataUpdatedAt} />
      )}
      {status.isPending && <Skeleton />}
      {found && (
        <>
          <Days status={found} />
          <Others />
        </>
      )}
    </Page>
  );
}

function Rule({ status: { retention, stored } }: { status: LogStatus }) {
  return (
    <>
      <span>kept for {counted(retention.days, "day")}</span>
      <span>
        {retention.max_gb === null ? "whatever their size" : `at most ${retention.max_gb} GB together`}
      </span>
      {stored && (
        <span>
          {counted(stored.calls, "call")} of this project
          {stored.size_bytes !== null && `, ${bytes(stored.size_bytes)} of all projects`}
        </span>
      )}
    </>
  );
}

function Days({ status: { stored, retention } }: { status: LogStatus }) {
  const isOperator = stored !== null && stored.size_bytes !== null;
  return (
    <Section id="days" title="Days" aside="in UTC">
      <p className="second retention-words">
        A day is dropped as a whole, within an hour after it has become too old
        {retention.max_gb !== null && ", or as soon as all days together take too much, the oldest first"}.
        One rule holds for all projects, and is not set here: whoever operates the server starts it with{" "}
        <code>EVALHAVEN_LOG_DAYS</code> and <code>EVALHAVEN_LOG_MAX_GB</code>. Runs keep what they have read:
        their items stay.
      </p>
      {stored === null ? (
        <p className="second">The store of logged calls does not answer, so its days are not known.</p>
      ) : stored.days.length === 0 ? (
        <p className="second">No call is stored yet.</p>
      ) : (
        <Scroll label="Table of days">
          <table className="retention-table">
            <thead>
              <tr>
                <th scope="col">Day</th>
                <th scope="col" className="right">
                  Calls
                </th>
                {isOperator && (
                  <>
                    <th scope="col" className="right">
                      Of all projects
                    </th>
                    <th scope="col" className="right">
                      Their size
                    </th>
                  </>
                )}
                <th scope="col" className="right">
                  Dropped on
                </th>
              </tr>
            </thead>
            <tbody>
              {stored.days.map((each) => (
                <tr key={each.day}>
                  <th scope="row">{each.day}</th>
                  <td className="right">{count(each.calls)}</td>
                  {isOperator && (
                    <>
                      <td className="right">{count(each.all_calls ?? each.calls)}</td>
                      <td className="right">{bytes(each.size_bytes ?? 0)}</td>
                    </>
                  )}
                  <td className="right">{each.dropped_on}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Section>
  );
}

/** What else is kept, so that nobody looks for a rule where there is none. */
function Others() {
  return (
    <Section id="others" title="Everything else">
      <dl className="served wide-names">
        <div>
          <dt>Evals, runs, items</dt>
          <dd>until somebody deletes them; then they are gone at once, and their bytes soon after</dd>
        </div>
        <div>
          <dt>Files</dt>
          <dd>until somebody deletes them, or until they expire if they were uploaded so</dd>
        </div>
        <div>
          <dt>Audit</dt>
          <dd>for good</dd>
        </div>
      </dl>
    </Section>
  );
}
