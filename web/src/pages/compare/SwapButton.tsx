import { useNavigate } from "@tanstack/react-router";
import type { RunComparison } from "@/api/types";
import { useShortcut } from "@/keyboard/shortcuts";
import { Icon } from "@/parts/Icon";
import { FROM_THE_START } from "./search";

type Props = { base: string; shown: RunComparison; candidates: readonly string[] };

/** Makes the shown run the base, and the base a candidate. */
export function SwapButton({ base, shown, candidates }: Props) {
  const navigate = useNavigate({ from: "/compare" });
  const next = shown.candidate.run_id;
  const swap = () =>
    navigate({
      search: (before) => ({
        ...before,
        ...FROM_THE_START,
        change: undefined,
        base: next,
        run: undefined,
        runs: [next, ...candidates.map((each) => (each === next ? base : each))].join(","),
      }),
    });
  useShortcut("s", "swap base and new", swap);
  return (
    <button
      type="button"
      className="button plain slim square"
      aria-label="Swap base and new"
      title="Swap base and new (s)"
      onClick={swap}
    >
      <Icon name="swap" />
    </button>
  );
}
