import { Page } from "@/layout/Page";
import { Failure } from "@/states/States";

/** A page that could not be drawn: an error of ours, or a part of the dashboard that a new version has replaced. */
export function Crash({ error }: { error: unknown }) {
  return (
    <Page crumbs={[{ name: "Error" }]}>
      <h1>This page could not be shown</h1>
      <Failure error={error} onRetry={() => location.reload()} />
    </Page>
  );
}
