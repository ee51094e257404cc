import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { post, remove } from "@/api/client";
import type { Webhook } from "@/api/types";
import { webhooksQuery } from "@/api/webhookQueries";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { Failure } from "@/states/States";
import { Secret } from "./Secret";
import { WebhookForm, type Wish } from "./WebhookForm";
import { ENDS } from "./words";

type Shown = "edit" | "rotate" | "delete";

/** What can be done with a webhook. */
export function WebhookActions({ webhook }: { webhook: Webhook }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [shown, setShown] = useState<{ what: Shown; number: number }>({ what: "edit", number: 0 });
  const queries = useQueryClient();
  const navigate = useNavigate();
  const path = { webhook_endpoint_id: webhook.id };
  const refresh = () => queries.invalidateQueries({ queryKey: webhooksQuery.queryKey });
  const close = () => dialog.current?.close();
  const test = useMutation({
    mutationFn: () =>
      post("/v1/webhook_endpoints/{webhook_endpoint_id}/test", { path, body: { event_type: ENDS[0] } }),
  });
  // On its own, since what is open when it is done stays open.
  const turn = useMutation({
    mutationFn: (enabled: boolean) =>
      post("/v1/webhook_endpoints/{webhook_endpoint_id}", { path, body: { evalhaven: { enabled } } }),
    onSuccess: refresh,
  });
  const change = useMutation({
    mutationFn: (body: Wish) => post("/v1/webhook_endpoints/{webhook_endpoint_id}", { path, body }),
    onSuccess: () => {
      close();
      return refresh();
    },
  });
  const rotate = useMutation({
    mutationFn: (keepsOld: boolean) =>
      post("/v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret", {
        path,
        body: { keep_old_secret_active_for_24_hours: keepsOld },
      }),
    onSuccess: refresh,
  });
  const erase = useMutation({
    mutationFn: () => remove("/v1/webhook_endpoints/{webhook_endpoint_id}", { path }),
    onSuccess: async () => {
      await navigate({ to: "/webhooks" });
      await queries.invalidateQueries({ queryKey: webhooksQuery.queryKey, exact: true });
    },
  });
  const open = (what: Shown) => {
    change.reset();
    rotate.reset();
    erase.reset();
    setShown({ what, number: shown.number + 1 });
    dialog.current?.showModal();
  };
  const isOn = webhook.evalhaven.enabled;
  const failed = change.error ?? rotate.error ?? erase.error;
  return (
    <>
      {test.error && <Failure error={test.error} />}
      {turn.error && <Failure error={turn.error} />}
      <span role="status" className="second">
        {test.data && `It answered ${test.data.status_code}.`}
      </span>
      <button type="button" className="button" disabled={test.isPending} onClick={() => test.mutate()}>
        {test.isPending ? "Sending…" : "Send a test"}
      </button>
      <button type="button" className="button" onClick={() => open("edit")}>
        Edit
      </button>
      <Menu label="More actions" icon="more" isBare>
        <button type="button" onClick={() => turn.mutate(!isOn)}>
          <Icon name={isOn ? "missing" : "pass"} />
          {isOn ? "Turn off" : "Turn on"}
        </button>
        <button type="button" onClick={() => open("rotate")}>
          <Icon name="again" />
          Replace the secret
        </button>
        <button type="button" onClick={() => open("delete")}>
          <Icon name="close" />
          Delete
        </button>
      </Menu>
      <dialog ref={dialog} className="help-sheet" aria-labelledby="webhook-dialog">
        <h2 id="webhook-dialog">{TITLES[shown.what]}</h2>
        {failed && <Failure error={failed} />}
        {shown.what === "edit" && (
          <WebhookForm
            key={shown.number}
            webhook={webhook}
            does="Save"
            isBusy={change.isPending}
            onSubmit={(wish) => change.mutate(wish)}
            onClose={close}
          />
        )}
        {shown.what === "rotate" &&
          (rotate.data ? (
            <>
              <Secret secret={rotate.data.signing_secret} />
              <button type="button" className="button" onClick={close}>
                Done
              </button>
            </>
          ) : (
            <>
              <p>
                For 24 hours both secrets can sign, so that receivers change over one after another. If the
                old secret is known to others, end it at once.
              </p>
              <div className="row">
                <button type="button" className="button main" onClick={() => rotate.mutate(true)}>
                  Keep the old one for 24 hours
                </button>{" "}
                <button type="button" className="button" onClick={() => rotate.mutate(false)}>
                  End the old one now
                </button>
              </div>
            </>
          ))}
        {shown.what === "delete" && (
          <>
            <p>Its log goes with it, and what is still to be delivered is not.</p>
            <div className="row">
              <button type="button" className="button main" onClick={() => erase.mutate()}>
                Delete the webhook
              </button>{" "}
              <button type="button" className="button" onClick={close}>
                Keep it
              </button>
            </div>
          </>
        )}
      </dialog>
    </>
  );
}

const TITLES: Record<Shown, string> = {
  edit: "Edit the webhook",
  rotate: "Replace the secret",
  delete: "Delete the webhook?",
};
