import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { post } from "@/api/client";
import { webhooksQuery } from "@/api/webhookQueries";
import { Icon } from "@/parts/Icon";
import { Failure } from "@/states/States";
import { Secret } from "./Secret";
import { WebhookForm, type Wish } from "./WebhookForm";

/** Makes a webhook, and shows its secret before anything else can be done. */
export function CreateWebhook() {
  const dialog = useRef<HTMLDialogElement>(null);
  const queries = useQueryClient();
  const [opened, setOpened] = useState(0);
  const create = useMutation({
    mutationFn: (body: Wish) => post("/v1/webhook_endpoints", { body }),
    onSuccess: () => queries.invalidateQueries({ queryKey: webhooksQuery.queryKey }),
  });
  const open = () => {
    create.reset();
    setOpened(opened + 1);
    dialog.current?.showModal();
  };
  const close = () => dialog.current?.close();
  const made = create.data;
  return (
    <>
      <button type="button" className="button main" onClick={open}>
        <Icon name="plus" />
        Create a webhook
      </button>
      <dialog
        ref={dialog}
        className="help-sheet"
        aria-labelledby="create-webhook"
        onClose={() => create.reset()}
      >
        <h2 id="create-webhook">{made ? "The webhook is made" : "Create a webhook"}</h2>
        {create.error && <Failure error={create.error} />}
        {made ? (
          <>
            <Secret secret={made.signing_secret} />
            <div className="row">
              <Link to="/webhooks/$webhookId" params={{ webhookId: made.id }} className="button">
                Try it
              </Link>{" "}
              <button type="button" className="button" onClick={close}>
                Done
              </button>
            </div>
          </>
        ) : (
          <WebhookForm
            key={opened}
            does="Create"
            isBusy={create.isPending}
            onSubmit={(wish) => create.mutate(wish)}
            onClose={close}
          />
        )}
      </dialog>
    </>
  );
}
