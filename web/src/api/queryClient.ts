import { QueryClient } from "@tanstack/react-query";
import { ApiError, isPreparing, whenLoggedOut } from "./client";
import { sessionQuery } from "./sessionQueries";

const FRESH_MS = 5_000;
const TRIES = 3;
const FIRST_DELAY_MS = 1_000;
const PREPARING_MS = 2_000;

/** Figures stay on the page while newer ones are fetched; only what may pass is asked again, and what is prepared until it is there. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      retry: (failures, error) =>
        isPreparing(error) || (error instanceof ApiError && error.mayPass && failures < TRIES),
      retryDelay: (failures, error) => (isPreparing(error) ? PREPARING_MS : FIRST_DELAY_MS * 2 ** failures),
    },
  },
});

whenLoggedOut(() => void queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey }));
