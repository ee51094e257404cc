import { useMutation, useQueryClient } from "@tanstack/react-query";
import { post } from "@/api/client";
import type { ItemRowList } from "@/api/types";
import { counted } from "@/format/numbers";
import { Icon } from "@/parts/Icon";
import { PermittedButton } from "@/parts/PermittedButton";
import { Failure } from "@/states/States";
import type { ItemsFilter } from "./search";

type Props = { runId: string; filter: ItemsFilter; list: ItemRowList | undefined; isLive: boolean };

/** Where errors are looked at, they can be tried again: all of them, or those with the chosen messages. */
export function RetryThese({ runId, filter, list, isLive }: Props) {
  const queries = useQueryClient();
  const retry = useMutation({
    mutationFn: (errors: string[] | undefined) =>
      post("/api/runs/{run_id}/retry", {
        path: { run_id: runId },
        body: errors === undefined ? {} : { errors },
      }),
    onSuccess: () => queries.invalidateQueries(),
  });
  const isOfErrors = filter.status?.length === 1 && filter.status[0] === "error";
  const others = { ...filter, error: undefined, status: undefined, sort: undefined, order: undefined };
  const isExact = Object.values(others).every((each) => each === undefined);
  const isOffered =
    isExact && (filter.error !== undefined || isOfErrors) && !isLive && (list?.total ?? 0) > 0;
  if (!isOffered && !retry.error) return null;
  return (
    <>
      {retry.error && <Failure error={retry.error} />}
      {isOffered && (
        <div className="partial-line">
          <span>An error is no answer: these items are in no rate.</span>
          <PermittedButton
            needs="write"
            className="button slim"
            disabled={retry.isPending}
            onClick={() => retry.mutate(filter.error)}
          >
            <Icon name="again" />
            Retry {list?.total === 1 ? "this item" : `these ${counted(list?.total ?? 0, "item")}`}
          </PermittedButton>
        </div>
      )}
    </>
  );
}
