import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { runQuery } from "@/api/queries";
import { runEventsQuery } from "@/api/runQueries";
import type { RunLifeEvent } from "@/api/types";
import { clock, duration, moment } from "@/format/times";
import { isUnderWay } from "@/format/words";
import { Scroll, Section } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { isTrouble, saidOf } from "./words";

/** The life of a run: what happened, when, and how long it took to get there. */
export function EventsPage() {
  const { runId } = useParams({ from: "/evals/$evalId/runs/$runId" });
  const run = useQuery(runQuery(runId)).data;
  const isLive = run !== undefined && isUnderWay(run.status);
  const asked = useQuery(runEventsQuery(runId, isLive));
  if (asked.data === undefined) {
    return asked.error ? <Failure error={asked.error} onRetry={asked.refetch} /> : <Skeleton />;
  }
  const events = asked.data;
  const isBare = events.length > 1 && !events.some((each) => each.type === "planned");
  return (
    <Section id="events" title="Events" aside={isLive ? "more come while the run goes on" : undefined}>
      {asked.error && (
        <Failure error={asked.error} onRetry={asked.refetch} staleSince={asked.dataUpdatedAt} />
      )}
      <Timeline events={events} />
      {isBare && !isLive && (
        <p className="table-foot">
          Nothing else is recorded of this run: it ended before its rows were checked, was executed elsewhere,
          or is older than this list.
        </p>
      )}
    </Section>
  );
}

function Timeline({ events }: { events: readonly RunLifeEvent[] }) {
  return (
    <Scroll label="What happened to the run">
      <table className="events-table">
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col" className="right">
              After
            </th>
            <th scope="col">What happened</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event, place) => (
            <tr key={place}>
              <td title={moment(event.at)}>
                {isNewDay(events[place - 1], event) ? moment(event.at) : clock(event.at)}
              </td>
              <td className="right second">{after(events[place - 1], event)}</td>
              <td>
                <Happened event={event} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Happened({ event }: { event: RunLifeEvent }) {
  const { what, more } = saidOf(event);
  return (
    <>
      {isTrouble(event) && <Icon name="error" className="error" />}{" "}
      <b>
        <Name text={what} />
      </b>
      {more !== "" && (
        <>
          {" "}
          <span className="second">
            <Name text={more} />
          </span>
        </>
      )}
    </>
  );
}

function isNewDay(before: RunLifeEvent | undefined, event: RunLifeEvent): boolean {
  if (before === undefined) return true;
  return new Date(before.at * 1000).toDateString() !== new Date(event.at * 1000).toDateString();
}

/** How long after the event before; nothing where that is less than a second, which is all that is known. */
function after(before: RunLifeEvent | undefined, event: RunLifeEvent): string {
  const seconds = before === undefined ? 0 : event.at - before.at;
  return seconds > 0 ? duration(seconds) : "";
}
