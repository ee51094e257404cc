import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";
import type { EndpointOverview } from "./types";

const POLL_MS = 5_000;

/** The endpoints of models; asked again while a run of late has calls under way or waiting. */
export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: ({ signal }) => get("/api/models", { signal }),
  refetchInterval: ({ state }) => (state.data?.data.some(isBusy) ? POLL_MS : false),
});

function isBusy(endpoint: { seen: { limiter: { in_flight?: unknown; waiting?: unknown } }[] }): boolean {
  return endpoint.seen.some(
    ({ limiter }) => Number(limiter.in_flight ?? 0) + Number(limiter.waiting ?? 0) > 0,
  );
}

/** Return a name that some model here answers to, so that a snippet works as it stands; patterns name none. */
export function servedModel(endpoints: readonly EndpointOverview[]): string {
  const names = endpoints.flatMap((each) => [...Object.keys(each.aliases), ...each.models]);
  return names.find((name) => !name.includes("*")) ?? "gpt-5-mini";
}
