import { Link } from "@tanstack/react-router";
import type { ScaleLinear } from "d3-scale";
import type { EvalVersion, RunOverview } from "@/api/types";
import { count } from "@/format/numbers";
import { Name } from "@/text/SafeText";
import { changesOf, versionStarts } from "./trend";

type RulesProps = {
  runs: readonly RunOverview[];
  x: ScaleLinear<number, number>;
  top: number;
  bottom: number;
};

/** A rule before the first run of each version; a word where there is room for it. */
export function VersionRules({ runs, x, top, bottom }: RulesProps) {
  let free = 0;
  return versionStarts(runs).map(({ place, version }) => {
    const at = (x(place - 1) + x(place)) / 2;
    const hasRoom = at >= free;
    if (hasRoom) free = at + WORD_WIDTH;
    return (
      <g key={place} data-version={version}>
        <line className="c-version" x1={at} x2={at} y1={top - 8} y2={bottom} />
        {hasRoom && (
          <text x={at + 4} y={top - 3}>
            version {count(version)}
          </text>
        )}
      </g>
    );
  });
}

const WORD_WIDTH = 70;

type NotesProps = { runs: readonly RunOverview[]; versions: readonly EvalVersion[] };

/** What each version that the trend shows changed, the newest first, with a link to its page. */
export function VersionNotes({ runs, versions }: NotesProps) {
  const withRuns = new Set(runs.map((run) => run.eval_id));
  return (
    <ul className="version-notes" aria-label="What the versions changed">
      {versions
        .filter((each) => withRuns.has(each.id))
        .map((each) => (
          <li key={each.id}>
            <Link to="/evals/$evalId" params={{ evalId: each.id }}>
              Version {count(each.version)}
            </Link>{" "}
            {each.follows === null ? (
              <span className="second">is the first one</span>
            ) : (
              <span className="second">
                changed: <Name text={changesOf(each)} />
              </span>
            )}
          </li>
        ))}
    </ul>
  );
}
