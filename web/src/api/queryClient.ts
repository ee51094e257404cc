import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./client";

const FRESH_MS = 5_000;
const TRIES = 3;

/** Figures stay on the page while newer ones are fetched; only what may pass is asked again. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      retry: (failures, error) => error instanceof ApiError && error.mayPass && failures < TRIES,
    },
  },
});
