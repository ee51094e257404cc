import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { moment } from "@/format/times";
import { shortId } from "@/format/words";
import { useShortcut } from "@/keyboard/shortcuts";
import { Page, PageHead } from "@/layout/Page";
import { kindOf } from "@/pages/items/ResultCell";
import { itemsFilter } from "@/pages/items/search";
import { CopyButton, CopyLink } from "@/parts/CopyButton";
import { Outcome } from "@/parts/Outcome";
import { Failure, Skeleton } from "@/states/States";
import { itemTitle, PlaceWords, StepButtons, useItemKeys } from "./ItemDrawer";
import { ItemView } from "./ItemView";
import { useItem } from "./useItem";

const ITEM = "/evals/$evalId/runs/$runId/items/$itemId" as const;
const OUTCOMES = { pass: "Passed", fail: "Failed", error: "Error" } as const;

/** One item on a page of its own; it keeps the filter that it was found by. */
export function ItemPage() {
  const params = useParams({ from: ITEM });
  const search = useSearch({ from: ITEM });
  const navigate = useNavigate({ from: ITEM });
  const filter = useMemo(() => itemsFilter(search), [search]);
  const { item, place, run, parent, criteria, expectedField } = useItem(params, filter);
  const step = (to: string | null | undefined) => {
    if (to) navigate({ to: ITEM, params: { ...params, itemId: to }, search: filter, replace: true });
  };
  const back = { evalId: params.evalId, runId: params.runId };
  const row = place?.rank ?? undefined;
  useItemKeys(params.itemId, place, step);
  useShortcut("Escape", "back to the items", () =>
    navigate({ to: "/evals/$evalId/runs/$runId/items", params: back, search: { ...filter, row } }),
  );
  const title = itemTitle(place, item.data);
  const runPath = `/evals/${params.evalId}/runs/${params.runId}`;
  return (
    <Page
      crumbs={[
        { name: "Evals", to: "/evals" },
        { name: parent.data?.name || params.evalId, to: `/evals/${params.evalId}` },
        { name: run.data?.name || params.runId, to: runPath },
        { name: title },
      ]}
      printed={params.itemId}
    >
      <PageHead
        title={title}
        facts={
          item.data && (
            <>
              <Outcome kind={kindOf(item.data.status)}>{OUTCOMES[item.data.status]}</Outcome>
              <span>
                <PlaceWords place={place} filter={filter} />
              </span>
              <span>{moment(item.data.created_at)}</span>
              <span className="mono">
                {shortId(item.data.id)} <CopyButton text={item.data.id} label="Copy item id" />
              </span>
            </>
          )
        }
        actions={
          <>
            <CopyLink />
            <Link
              className="button"
              to="/evals/$evalId/runs/$runId/items"
              params={back}
              search={{ ...filter, row }}
            >
              All items
            </Link>
            <StepButtons place={place} onStep={step} />
          </>
        }
      />
      {item.error && <Failure error={item.error} onRetry={item.refetch} />}
      {item.isPending && <Skeleton />}
      {item.data && (
        <div className="item-page">
          <ItemView
            key={item.data.id}
            item={item.data}
            place={place}
            run={run.data}
            criteria={criteria}
            expectedField={expectedField}
          />
        </div>
      )}
    </Page>
  );
}
