import type { ProjectLimits } from "@/api/types";
import { bytes, count, exactDollars } from "@/format/numbers";
import type { Units } from "@/parts/NumberField";

export type LimitName =
  | "requests_per_minute"
  | "concurrent_runs"
  | "stored_bytes"
  | "run_cost"
  | "month_cost";

type Limit = {
  name: LimitName;
  title: string;
  /** What is counted. */
  counts: string;
  /** What happens to whoever wants more. */
  beyond: string;
  shown: (value: number) => string;
  /** What of it is used; without it, nothing is that lasts. */
  used?: (limits: ProjectLimits) => number;
  units: Units;
  /** The unit of a limit that is still to be set. */
  first?: string;
};

/** What can be limited, in the order in which the commands name it. */
export const LIMITS: readonly Limit[] = [
  {
    name: "requests_per_minute",
    title: "Requests a minute",
    counts: "with keys of this project, all together",
    beyond: "The next ones are refused with 429, and told how long to wait.",
    shown: count,
    units: { requests: 1 },
  },
  {
    name: "concurrent_runs",
    title: "Runs at once",
    counts: "queued or under way",
    beyond: "A further run is refused until one has ended.",
    shown: count,
    used: ({ used }) => used.concurrent_runs,
    units: { runs: 1 },
  },
  {
    name: "stored_bytes",
    title: "Storage",
    counts: "files, parts of uploads and inline rows",
    beyond: "What finds no room is refused, until files or runs are deleted.",
    shown: bytes,
    used: ({ used }) => used.stored_bytes,
    units: { bytes: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
    first: "GB",
  },
  {
    name: "run_cost",
    title: "Cost of a run",
    counts: "calls of one run",
    beyond: "The run ends when it is spent. A model without a price is refused.",
    shown: exactDollars,
    units: { "US dollars": 1 },
  },
  {
    name: "month_cost",
    title: "Cost of a month",
    counts: "calls of runs and graders in this calendar month, in UTC",
    beyond: "Runs that call models end, and they and such graders are refused until the next month.",
    shown: exactDollars,
    used: ({ used }) => used.month_cost,
    units: { "US dollars": 1 },
  },
];
