import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";

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
