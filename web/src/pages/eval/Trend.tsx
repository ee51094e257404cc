import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";

import type { EvalVersion, RunOverview } from "@/api/types";
import { ChartWithTable } from "@/charts/ChartWithTable";
import { useWidth } from "@/charts/useWidth";
import { count, counted, limits, percent } from "@/format/numbers";
import { moment } from "@/format/times";
import { Section } from "@/layout/Page";
import { visibleText } from "@/text/visible";
import { VersionNotes, VersionRules } from "./TrendVersions";
import { inOrder, lanesOf, limitsOf, marksOf, versionStarts } from "./trend";

type Props = { runs: readonly RunOverview[]; isWhole: boolean; versions: readonly EvalVersion[] };

/** How the rate went from run to run, over the versions of the eval, and where the setup changed. */
export function Trend({ runs, isWhole, versions }: Props) {
  const shown = inOrder(runs);
  if (shown.length < 2) return null;
  const rated = shown.filter((run) => run.rate.value !== null);
  const [first, last] = [rated.at(0)?.rate.value, rated.at(-1)?.rate.value];
  const starts = versionStarts(shown);
  const over =
    starts.length === 0 ? "" : ` over ${count(new Set(shown.map((run) => run.eval_id)).size)} versions`;
  const sentence = `Pass rate of ${counted(shown.length, "run")}${over}, from ${percent(first)} to ${percent(last)} percent`;
  return (
    <Section
      id="trend"
      title="Trend"
      aside={`pass rate, %, one point a run${isWhole ? "" : `, the newest ${count(shown.length)}`}`}
      end={
        <TrendLegend hasPartial={shown.some((run) => run.partial)} hasChanges={lanesOf(shown).length > 0} />
      }
    >
      <ChartWithTable
        sentence={sentence}
        head={["Run", "Version", "Created", "Rate, %", "95% interval", "Items", "Changed"]}
        rows={shown.map((run, place) => [
          `${place + 1}. ${visibleText(run.name || run.id)}`,
          count(run.eval_version),
          moment(run.created_at),
          run.rate.value === null ? "–" : `${percent(run.rate.value)}${run.partial ? ", partial" : ""}`,
          run.rate.low === null || run.rate.high === null ? "–" : limits(run.rate.low, run.rate.high),
          count(run.rate.items),
          marksOf(run).join(", ") || "–",
        ])}
      >
        {(said) => <TrendChart runs={shown} said={said} />}
      </ChartWithTable>
      {starts.length > 0 && <VersionNotes runs={shown} versions={versions} />}
    </Section>
  );
}

function TrendLegend({ hasPartial, hasChanges }: { hasPartial: boolean; hasChanges: boolean }) {
  return (
    <span className="legend">
      <span>
        <svg width="10" height="16" aria-hidden="true">
          <line className="c-whisker" x1="5" x2="5" y1="1" y2="15" />
          <circle className="c-dot" cx="5" cy="8" r="4" />
        </svg>
        rate with 95% interval
      </span>
      {hasPartial && (
        <span>
          <svg width="10" height="16" aria-hidden="true">
            <circle className="c-baseline" cx="5" cy="8" r="3.5" />
          </svg>
          partial
        </span>
      )}
      {hasChanges && (
        <span>
          <svg width="10" height="16" aria-hidden="true">
            <path className="c-mark" d="M5 3.5 9.5 8 5 12.5.5 8z" />
          </svg>
          changed since the run before
        </span>
      )}
    </span>
  );
}

const LEFT = 60;
const RIGHT = 24;
const TOP = 12;
const BOTTOM = 174;
const DATES = 194;
const FIRST_LANE = 218;
const LANE = 20;
const DATE_WIDTH = 130;

function TrendChart({ runs, said }: { runs: readonly RunOverview[]; said: string }) {
  const [frame, width] = useWidth(FIRST_WIDTH);
  const x = scaleLinear([0, runs.length - 1], [LEFT + 12, width - RIGHT]);
  const lanes = lanesOf(runs);
  const y = scaleLinear(limitsOf(runs), [BOTTOM, TOP]).nice(4);
  const path = line<RunOverview>()
    .defined((run) => run.rate.value !== null)
    .x((_run, place) => x(place))
    .y((run) => y(run.rate.value ?? 0))([...runs]);
  const each = Math.max(1, Math.ceil(runs.length / Math.max(1, Math.floor((width - LEFT) / DATE_WIDTH))));
  return (
    <div ref={frame}>
      <svg width="100%" height={FIRST_LANE - LANE / 2 + lanes.length * LANE} role="img" aria-label={said}>
        {y.ticks(4).map((tick) => (
          <g key={tick}>
            <line className="c-axis" x1={LEFT} x2={width} y1={y(tick)} y2={y(tick)} opacity="0.5" />
            <text x={LEFT - 8} y={y(tick) + 4} textAnchor="end">
              {Math.round(tick * 1000) / 10}
            </text>
          </g>
        ))}
        <VersionRules runs={runs} x={x} top={TOP} bottom={BOTTOM} />
        <path className="c-line" d={path ?? ""} />
        {runs.map((run, place) => (
          <TrendPoint key={run.id} run={run} x={x(place)} y={y} />
        ))}
        {runs.map(
          (run, place) =>
            place % each === 0 && (
              <text key={run.id} x={x(place)} y={DATES} textAnchor={anchorAt(place, runs.length)}>
                {moment(run.created_at).replace(/ \d{4},/, ",")}
              </text>
            ),
        )}
        {lanes.map((lane, number) => {
          const at = FIRST_LANE + number * LANE;
          return (
            <g key={lane.name}>
              <text x={LEFT - 8} y={at + 4} textAnchor="end">
                {lane.name}
              </text>
              <line className="c-axis" x1={LEFT} x2={width} y1={at} y2={at} opacity="0.5" />
              {runs.map(
                (run, place) =>
                  run.changed.includes(lane.aspect) && (
                    <path
                      key={run.id}
                      className="c-mark"
                      data-lane={lane.name}
                      d={`M${x(place)} ${at - 5}l5 5-5 5-5-5z`}
                    />
                  ),
              )}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function anchorAt(place: number, runs: number): "start" | "middle" | "end" {
  if (place === 0) return "start";
  return place === runs - 1 ? "end" : "middle";
}

type PointProps = { run: RunOverview; x: number; y: (rate: number) => number };

function TrendPoint({ run, x, y }: PointProps) {
  const { value, low, high } = run.rate;
  if (value === null) {
    return (
      <path
        className="icon error"
        d={`M${x} ${BOTTOM - 18}v9M${x} ${BOTTOM - 4}v.4`}
        strokeWidth="2.25"
        strokeLinecap="round"
      />
    );
  }
  return (
    <g>
      <title>{`${visibleText(run.name || run.id)}: ${percent(value)}${run.partial ? ", partial" : ""}`}</title>
      {low !== null && high !== null && <line className="c-whisker" x1={x} x2={x} y1={y(low)} y2={y(high)} />}
      <circle className={run.partial ? "c-baseline" : "c-dot"} cx={x} cy={y(value)} r="4" />
    </g>
  );
}

const FIRST_WIDTH = 900;
