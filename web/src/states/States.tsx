import { type ReactNode, useEffect, useState } from "react";
import { ApiError } from "@/api/client";
import { clock } from "@/format/times";
import { CopyButton } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";

const PATIENCE_MS = 150;

/** Grey lines in place of what is loading; they appear only if that takes a while. */
export function Skeleton({ lines = 8, label = "Loading" }: { lines?: number; label?: string }) {
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {isShown &&
        Array.from({ length: lines }, (_, line) => (line % 3) + 1).map((width, line) => (
          <span key={line} className="pulse" style={{ width: `${100 - width * 14}%` }} />
        ))}
    </div>
  );
}

type FailureProps = {
  error: unknown;
  onRetry?: () => void;
  /** When the figures below were fetched, if stale ones stay on the page. */
  staleSince?: number | undefined;
};

/** What went wrong, with the request's id and a way on; older figures stay below it with their age. */
export function Failure({ error, onRetry, staleSince }: FailureProps) {
  const said = error instanceof Error ? error.message : String(error);
  const requestId = error instanceof ApiError ? error.requestId : null;
  return (
    <div className="notice error" role="alert">
      <Icon name="error" className="error" />
      <div>
        <b>
          <Name text={said} />
        </b>
        {staleSince !== undefined && (
          <div className="second">Figures below are those of {clock(staleSince / 1000)}.</div>
        )}
        {requestId !== null && (
          <div className="second">
            Request <span className="mono">{requestId}</span>{" "}
            <CopyButton text={requestId} label="Copy request id" />
          </div>
        )}
      </div>
      {onRetry && (
        <button type="button" className="button slim" onClick={onRetry}>
          <Icon name="again" />
          Retry
        </button>
      )}
    </div>
  );
}

/** A note that is no error: what a reader has to know before the figures. */
export function Notice({ children }: { children: ReactNode }) {
  return (
    <div className="notice">
      <Icon name="error" />
      <div>{children}</div>
    </div>
  );
}

/** Stands for a comparison that the server still prepares, and that is asked for until it is there. */
export function Preparing() {
  return (
    <Notice>
      <span role="status">
        <b>The comparison is being prepared.</b> A large run takes a moment after its end. The comparison
        appears here by itself.
      </span>
    </Notice>
  );
}

/** What would stand here, the one next step, and a snippet that works as it stands. */
export function Empty({
  title,
  children,
  snippet,
}: {
  title: string;
  children: ReactNode;
  snippet?: ReactNode;
}) {
  return (
    <div className="empty">
      <div>
        <h2>{title}</h2>
        {children}
      </div>
      {snippet}
    </div>
  );
}
