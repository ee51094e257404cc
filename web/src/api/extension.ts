import type { components } from "@schemas/extension";
import type { RunById } from "./types";

type RunExtension = components["schemas"]["EvalRunExtension"];

/** Return what Evalhaven tells of a run beyond the contract; imported runs tell less. */
export function extensionOf(run: RunById): Partial<RunExtension> {
  return (run.evalhaven ?? {}) as Partial<RunExtension>;
}
