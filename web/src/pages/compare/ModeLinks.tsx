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
const GLYPHS: Partial<Record<Mode, readonly [string, string]>> = {
  regressed: ["worse", "▼"],
  fixed: ["better", "▲"],
};

/** What happened to the items that are shown, with their numbers. */
export function ModeLinks({ counts, mode }: { counts: ComparedCounts; mode: Mode }) {
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
            {WORDS[each]} {each !== "all" && count(numberOf(counts, each))}
          </Link>
        );
      })}
    </nav>
  );
}

function numberOf(counts: ComparedCounts, mode: Exclude<Mode, "all">): number {
  if (mode === "different") return counts.regressed + counts.fixed;
  if (mode === "same") return counts.passed + counts.failed;
  if (mode === "missing") return counts.missing + counts.new;
  return counts[mode];
}
