import { publicAddress } from "@/api/place";
import { Snippet } from "@/states/Snippet";
import { Empty } from "@/states/States";
import { RunPicker } from "./RunPicker";

/** Says which run is missing, and how programs ask the same. */
export function NothingToCompare({ run }: { run?: string | undefined }) {
  const address = publicAddress(`/api/compare?runs=${run ?? "RUN"}&base=BASELINE`);
  return (
    <Empty
      title={run === undefined ? "Choose runs to compare" : "There is nothing to compare this run with yet"}
      snippet={
        <Snippet
          codes={({ curl }) => ({
            curl: `${curl} "${address}"`,
            CLI: `evalhaven compare BASELINE ${run ?? "RUN"}`,
          })}
        />
      }
    >
      <p>
        {run === undefined
          ? "A comparison shows the difference of two runs with its interval, and every item that came out differently."
          : "Its eval has no earlier run that has ended. Run it again, or choose any other run as the base."}
      </p>
      {run === undefined ? (
        <RunPicker
          label="Choose a run"
          icon="plus"
          taken={[]}
          evalId={undefined}
          chosen={(id) => ({ runs: id })}
        />
      ) : (
        <RunPicker
          label="Choose the base"
          icon="plus"
          taken={[run]}
          evalId={undefined}
          chosen={(id) => ({ runs: `${id},${run}`, base: id })}
        />
      )}
    </Empty>
  );
}
