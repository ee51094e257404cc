import { Link } from "@tanstack/react-router";
import type { ComparedCounts } from "@/api/types";
import { count } from "@/format/numbers";
import { FROM_THE_START, type Mode } from "./search";

const WORDS: Record<Mode, string> = {
  regressed: "Regressions",
  fixed: "Fixes",
  different: "Different",
  same: "Same",
  passed: "Both passed",
  failed: "Both failed",
  missing: "Missing",
  errored: "Errored",
  all: "All",
};
const SHOWN: readonly Mode[] = ["regressed", "fixed", "different", "same", "missing", "errored", "all"];
const COUNTED = {
  regressed: "regressed",
  fixed: "fixed",
  different: "different",
  same: "same",
  passed: "passed",
  failed: "failed",
  missing: "unpaired",
  errored: "errored",
  all: "total",
} as const satisfies Record<Mode, keyof ComparedCounts>;
const GLYPHS: Partial<Record<Mode, readonly [string, string]>> = {
  regressed: ["worse", "▼"],
  fixed: ["better", "▲"],
};

type Props = {
  /** Of the items that the other filters leave; null where the server does not count: it searches for a text. */
  counts: ComparedCounts | null;
  mode: Mode;
};

/** What happened to the items that are shown, with their numbers. */
export function ModeLinks({ counts, mode }: Props) {
  // One of the two outcomes that did not change is chosen in the matrix only.
  const modes = SHOWN.includes(mode) ? SHOWN : [...SHOWN, mode];
  return (
    <nav className="segments modes" aria-label="Changes">
      {modes.map((each) => {
        const glyph = GLYPHS[each];
        return (
          <Link
            key={each}
            from="/compare"
            to="."
            search={(before) => ({ ...before, ...FROM_THE_START, change: each })}
            activeProps={{}}
            aria-current={each === mode ? "true" : undefined}
            resetScroll={false}
          >
            {glyph && (
              <span className={`delta ${glyph[0]}`} aria-hidden="true">
                {glyph[1]}{" "}
              </span>
            )}
            {WORDS[each]} {counts && <span className="number">{count(counts[COUNTED[each]])}</span>}
          </Link>
        );
      })}
    </nav>
  );
}
