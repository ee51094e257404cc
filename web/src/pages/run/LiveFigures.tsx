import type { ReactNode } from "react";
import type { Live } from "@/api/live";
import { Pace } from "@/charts/Pace";
import { count, dollars, limits, percent } from "@/format/numbers";
import { duration } from "@/format/times";
import { whatLimits } from "./limiter";

/** The figures of a run under way; none of them is final, and each says so. */
export function LiveFigures({ live }: { live: Live }) {
  const { progress, paces, isStreaming } = live;
  if (progress === undefined) return null;
  const { rate, budget, tokens, cost } = progress;
  const graded = progress.passed + progress.failed;
  const limit = whatLimits(progress.limiter);
  return (
    <>
      <p className="hidden-text" role="status">
        {isStreaming &&
          `${percent(Math.floor((progress.items / (progress.items_planned ?? Number.POSITIVE_INFINITY)) * 10) / 10)} percent done`}
      </p>
      <dl className="facts">
        {rate.value !== null && (
          <Fact title="Rate so far" value={`${percent(rate.value)}%`}>
            {rate.low !== null && rate.high !== null && `${limits(rate.low, rate.high)}, `}partial:{" "}
            {count(graded)} of {count(progress.items_planned ?? progress.items)} graded
          </Fact>
        )}
        {progress.seconds_left !== null && (
          <Fact title="Time left" value={`about ${duration(Math.max(1, Math.round(progress.seconds_left)))}`}>
            {progress.items_per_s !== null && `${progress.items_per_s.toFixed(1)} items a second`}
          </Fact>
        )}
        {limit && (
          <Fact title="What limits it" value={limit.word}>
            {limit.sentence}
          </Fact>
        )}
        {tokens.total > 0 && (
          <Fact title="Tokens" value={count(tokens.total)}>
            {budget?.tokens != null && `of a budget of ${count(budget.tokens)}`}
          </Fact>
        )}
        {cost !== null && cost > 0 && (
          <Fact title="Cost so far" value={dollars(cost)}>
            {budget?.cost != null && `of a budget of ${dollars(budget.cost)}`}
          </Fact>
        )}
        {paces.length > 2 && (
          <div>
            <dt>Items a second</dt>
            <dd>
              <Pace paces={paces} />
            </dd>
          </div>
        )}
      </dl>
      <p className="second small">
        Items come in the order of their rows: the rate so far is no random sample of all.
      </p>
    </>
  );
}

function Fact({ title, value, children }: { title: string; value: string; children?: ReactNode }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>
        {value} <small>{children}</small>
      </dd>
    </div>
  );
}
