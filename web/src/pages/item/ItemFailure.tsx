import { useMutation, useQueryClient } from "@tanstack/react-query";
import { post } from "@/api/client";
import type { OutputItem } from "@/api/types";
import { Icon } from "@/parts/Icon";
import { PermittedButton } from "@/parts/PermittedButton";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";

/** Why an item has no result, and the way to get one. An error is not a failure of the model's answer. */
export function ItemFailure({ item }: { item: OutputItem }) {
  const queries = useQueryClient();
  const retry = useMutation({
    mutationFn: () =>
      post("/api/runs/{run_id}/retry", { path: { run_id: item.run_id }, body: { items: [item.id] } }),
    onSuccess: () => queries.invalidateQueries(),
  });
  if (item.status !== "error") return null;
  const { error } = item.sample;
  return (
    <>
      <div className="notice error">
        <Icon name="error" className="error" />
        <div>
          <b>
            <Name text={error ? error.message : "A grade of this item ended in an error."} />
          </b>
          <div className="second">
            {error && (
              <>
                <Name text={error.code} />.{" "}
              </>
            )}
            This item counts neither as passed nor as failed.
          </div>
        </div>
        <PermittedButton
          needs="write"
          className="button slim"
          disabled={retry.isPending}
          onClick={() => retry.mutate()}
        >
          <Icon name="again" />
          Retry this item
        </PermittedButton>
      </div>
      {retry.error && <Failure error={retry.error} />}
    </>
  );
}
