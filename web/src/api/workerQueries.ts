import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";
import { POLL_MS } from "./queries";

/** The workers and what waits for them. It changes without anybody's doing, so it is asked again and again. */
export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: ({ signal }) => get("/api/workers", { signal }),
  refetchInterval: POLL_MS,
});

/** The settings of the server, for code that names its directories. */
export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: ({ signal }) => get("/api/settings", { signal }),
  staleTime: Number.POSITIVE_INFINITY,
});
