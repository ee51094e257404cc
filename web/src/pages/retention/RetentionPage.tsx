import { useQuery } from "@tanstack/react-query";
import { logStatusQuery, retentionQuery } from "@/api/logQueries";
import type { LogStatus, Retention } from "@/api/types";
import { bytes, count, counted } from "@/format/numbers";
import { Page, PageHead, Scroll, Section } from "@/layout/Page";
import { Failure, Skeleton } from "@/states/States";
import { ChangeRetention } from "./ChangeRetention";

/** For how long logged calls are kept, which days there are, when each is dropped, and where that is changed. */
export function RetentionPage() {
  const status = useQuery(logStatusQuery);
  const retention = useQuery(retentionQuery);
  const found = status.data;
  const rule = retention.data;
  const failed = status.error ? status : retention;
  return (
    <Page crumbs={[{ name: "Logs", to: "/logs" }, { name: "Retention" }]}>
      <PageHead
        title="Retention of logged calls"
        facts={found && rule && <Facts status={found} retention={rule} />}
        actions={found && rule && <ChangeRetention retention={rule} status={found} />}
      />
      {failed.error && (
        <Failure
          error={failed.error}
          onRetry={failed.refetch}
          staleSince={failed.data && failed.dataUpdatedAt}
        />
      )}
      {(status.isPending || retention.isPending) && <Skeleton />}
      {found && rule && (
        <>
          <Days status={found} retention={rule} />
          <Others />
        </>
      )}
    </Page>
  );
}

type Props = { status: LogStatus; retention: Retention };

function Facts({ status: { stored }, retention }: Props) {
  return (
    <>
      <span>kept for {counted(retention.kept_days, "day")}</span>
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

/** Who decided for how long calls are kept, and who can decide otherwise. */
function Rule({ retention: { days, kept_days, most_days } }: { retention: Retention }) {
  const ofServer = <code>EVALHAVEN_LOG_DAYS</code>;
  if (days === null)
    return (
      <>
        The project says nothing of its own, so the server's {counted(most_days, "day")} ({ofServer}) hold; an
        administrator of the project can set fewer.
      </>
    );
  if (days > kept_days)
    return (
      <>
        The project says {counted(days, "day")}, and the server keeps no call for longer than {most_days} (
        {ofServer}).
      </>
    );
  return (
    <>
      The project says so; the server keeps calls for up to {counted(most_days, "day")} ({ofServer}).
    </>
  );
}

function Days({ status: { stored }, retention }: Props) {
  const isOperator = stored !== null && stored.size_bytes !== null;
  return (
    <Section id="days" title="Days" aside="in UTC">
      <p className="second retention-words">
        The calls of a day are dropped together, within an hour after it has become older than{" "}
        {counted(retention.kept_days, "day")}
        {retention.max_gb !== null && (
          <>
            , or as soon as all days of all projects together take more than {retention.max_gb} GB (
            <code>EVALHAVEN_LOG_MAX_GB</code>), the oldest first
          </>
        )}
        . <Rule retention={retention} /> Runs keep what they have read: their items stay.
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
