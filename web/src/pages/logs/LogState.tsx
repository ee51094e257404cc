import { Link } from "@tanstack/react-router";
import type { LogStatus } from "@/api/types";
import { bytes, count, counted } from "@/format/numbers";
import { Notice } from "@/states/States";
import { Name } from "@/text/SafeText";

/** How much is kept, and for how long. */
export function LogFacts({ status }: { status: LogStatus }) {
  const { stored, pending, retention } = status;
  return (
    <>
      {stored && (
        <span>
          {counted(stored.calls, "call")} stored
          {stored.size_bytes !== null &&
            `, ${bytes(stored.size_bytes)}${ofAll(stored) ? " of all projects" : ""}`}
          {stored.oldest_day && `, since ${stored.oldest_day}`}
        </span>
      )}
      {!!pending && <span>{count(pending)} on their way</span>}
      <Link to="/logs/retention">
        kept for {counted(retention.days, "day")}
        {retention.max_gb !== null && `, at most ${retention.max_gb} GB`}
      </Link>
    </>
  );
}

/** Whether other projects have calls, too, as far as whoever uses this tab may know. */
export function ofAll({ calls, all_calls }: { calls: number; all_calls?: number | null }): boolean {
  return all_calls != null && all_calls !== calls;
}

const REASONS = {
  overflow: "found the queue full",
  killed: "were under way when a server ended",
  unreadable: "had a reply that is not complete, or not what its API says",
  failed: "were refused by the store",
} as const;
type Reason = keyof typeof REASONS;

/** What a reader would look for in the list in vain. */
export function NotStored({ status }: { status: LogStatus }) {
  // Losses are those of all projects, so they are told to whoever operates the server.
  const losses = (Object.keys(REASONS) as Reason[])
    .map((key) => ({ key, calls: status.lost?.[key] ?? 0 }))
    .filter(({ calls }) => calls > 0);
  const lost = losses.reduce((sum, { calls }) => sum + calls, 0);
  return (
    <>
      {status.problem !== null && (
        <Notice>
          <b>Calls are not being stored.</b> <Name text={status.problem} />
        </Notice>
      )}
      {lost > 0 && (
        <Notice>
          <b>{counted(lost, "call")} not stored since this server's data was made.</b>{" "}
          {losses.map(({ key, calls }) => `${count(calls)} ${REASONS[key]}`).join("; ")}. Who made{" "}
          {lost === 1 ? "it" : "them"} got an answer all the same, unless a server ended.
        </Notice>
      )}
      {!!status.in_question && (
        <Notice>
          {counted(status.in_question, "call")} under way when an earlier server ended: the store is searched
          for them as soon as it answers.
        </Notice>
      )}
    </>
  );
}
