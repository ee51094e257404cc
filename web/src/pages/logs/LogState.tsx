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
          {counted(stored.calls, "call")} stored, {bytes(stored.size_bytes)}
          {stored.oldest_day && `, since ${stored.oldest_day}`}
        </span>
      )}
      {pending > 0 && <span>{count(pending)} on their way</span>}
      <Link to="/logs/retention">
        kept for {counted(retention.days, "day")}
        {retention.max_gb !== null && `, at most ${retention.max_gb} GB`}
      </Link>
    </>
  );
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
  const reasons = (Object.keys(REASONS) as Reason[]).filter((key) => status.lost[key] > 0);
  const lost = reasons.reduce((sum, key) => sum + status.lost[key], 0);
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
          {reasons.map((key) => `${count(status.lost[key])} ${REASONS[key]}`).join("; ")}. Who made{" "}
          {lost === 1 ? "it" : "them"} got an answer all the same, unless a server ended.
        </Notice>
      )}
      {status.in_question > 0 && (
        <Notice>
          {counted(status.in_question, "call")} under way when an earlier server ended: the store is searched
          for them as soon as it answers.
        </Notice>
      )}
    </>
  );
}
