import type { ReactNode } from "react";
import { Icon } from "./Icon";

export type OutcomeKind = "pass" | "fail" | "error" | "missing";

const WORDS: Record<OutcomeKind, string> = {
  pass: "passed",
  fail: "failed",
  error: "error",
  missing: "no result",
};

/** A glyph with its word for screen readers, and what stands beside it, in ink. */
export function Outcome({ kind, children }: { kind: OutcomeKind; children?: ReactNode }) {
  return (
    <span className={`outcome ${kind}`}>
      <Icon name={kind} />
      <span className="hidden-text">{WORDS[kind]} </span>
      {children}
    </span>
  );
}

/** How many items came out in one way, with the word visible: "12 errors". */
export function OutcomeCount({ kind, children }: { kind: OutcomeKind; children: ReactNode }) {
  return (
    <span className={`outcome ${kind}`}>
      <Icon name={kind} />
      {children}
    </span>
  );
}
