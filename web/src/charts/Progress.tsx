import { count, counted } from "@/format/numbers";
import { OutcomeCount } from "@/parts/Outcome";

type Props = { passed: number; failed: number; errored: number; planned: number | null };

/** How far a run is: passed plain, failed hatched, errors dotted, the rest grey; the counts in words below. */
export function Progress({ passed, failed, errored, planned }: Props) {
  const done = passed + failed + errored;
  const all = Math.max(planned ?? done, done, 1);
  const parts = [
    { name: "pass", size: passed, pattern: null },
    { name: "fail", size: failed, pattern: "url(#hatched)" },
    { name: "error", size: errored, pattern: "url(#dotted)" },
  ];
  let from = 0;
  const said = `${count(done)} of ${planned === null ? "an unknown number of" : count(planned)} items: ${passed} passed, ${failed} failed, ${counted(errored, "error")}`;
  return (
    <>
      <svg width="100%" height="14" role="img" aria-label={said}>
        <rect className="c-waiting" width="100%" height="14" />
        {parts.map(({ name, size, pattern }) => {
          const at = { x: `${(from / all) * 100}%`, width: `${(size / all) * 100}%`, height: 14 };
          from += size;
          return (
            size > 0 && (
              <g key={name}>
                <rect className={`c-${name}`} {...at} />
                {pattern && <rect fill={pattern} {...at} />}
              </g>
            )
          );
        })}
      </svg>
      <p className="legend" aria-hidden="true">
        <OutcomeCount kind="pass">{count(passed)} passed</OutcomeCount>
        <OutcomeCount kind="fail">{count(failed)} failed</OutcomeCount>
        <OutcomeCount kind="error">{counted(errored, "error")}</OutcomeCount>
        {planned !== null && planned > done && <span>{count(planned - done)} to come</span>}
      </p>
    </>
  );
}

/** Patterns that tell outcomes apart without colour; they stand once in the page. */
export function Patterns() {
  return (
    <svg width="0" height="0" className="hidden-text" aria-hidden="true">
      <defs>
        <pattern
          id="hatched"
          width="5"
          height="5"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <rect width="1.6" height="5" fill="var(--bg)" opacity=".5" />
        </pattern>
        <pattern id="dotted" width="5" height="5" patternUnits="userSpaceOnUse">
          <circle cx="2.5" cy="2.5" r="1.1" fill="var(--bg)" opacity=".75" />
        </pattern>
      </defs>
    </svg>
  );
}
