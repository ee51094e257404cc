import { addressOf } from "@/api/client";
import type { ItemPlace, OutputItem, RunById } from "@/api/types";
import { kindOf } from "@/pages/items/ResultCell";
import { Name, Text } from "@/text/SafeText";
import { OutputAgainst, textOf } from "./Comparison";
import { Conversation } from "./Conversation";
import { answerOf, isObject } from "./contents";
import { Elsewhere } from "./Elsewhere";
import { Grades } from "./Grades";
import { type Criterion, gradesOf } from "./grades";
import { ItemFailure } from "./ItemFailure";
import { isImage, Picture } from "./Picture";
import { Raw } from "./Raw";
import { figuresOf } from "./usage";

type Props = {
  item: OutputItem;
  place: ItemPlace | undefined;
  run: RunById | undefined;
  criteria: readonly Criterion[];
  expectedField: string | null;
};

/** Everything about an item, the same beside the table and on a page of its own. */
export function ItemView({ item, place, run, criteria, expectedField }: Props) {
  const { sample } = item;
  const data = item.datasource_item as Record<string, unknown>;
  const output = answerOf(sample.output);
  const kind = kindOf(item.status);
  const hasConversation = sample.input.length > 0 || sample.output.length > 0;
  return (
    <>
      {place && place.elsewhere.length > 0 && (
        <Elsewhere item={item} place={place} runName={run?.name ?? ""} />
      )}
      <ItemFailure item={item} />
      {hasConversation && (
        <Conversation input={sample.input} output={sample.output} belowWords={<SampleLine item={item} />} />
      )}
      {(hasConversation || sample.error === null) && (
        <OutputAgainst item={data} output={output} kind={kind} expectedField={expectedField} />
      )}
      <Grades grades={gradesOf(item, criteria)} />
      <ItemData data={data} isOpen={sample.input.length === 0} />
      <Raw value={item} address={addressOfItem(item)} fileName={`${item.id}.json`} />
    </>
  );
}

function addressOfItem(item: OutputItem): string {
  const path = { eval_id: item.eval_id, run_id: item.run_id, output_item_id: item.id };
  return addressOf("/v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}", { path });
}

/** Where the last answer stands, and what it took. */
function SampleLine({ item }: { item: OutputItem }) {
  const { sample } = item;
  const told = isObject(item.evalhaven) ? item.evalhaven : {};
  const words = [sample.finish_reason && `finish reason ${sample.finish_reason}`, ...figuresOf(sample, told)];
  return (
    <p>
      {sample.output.length === 0 ? "No answer" : "Shown below"}
      <span className="second">
        {" · "}
        {sample.model !== "" && (
          <>
            <Name text={sample.model} />
            {words.some(Boolean) && " · "}
          </>
        )}
        <Name text={words.filter(Boolean).join(" · ")} />
      </span>
    </p>
  );
}

/** The fields of the item as its source has them. */
function ItemData({ data, isOpen }: { data: Record<string, unknown>; isOpen: boolean }) {
  const fields = Object.entries(data);
  return (
    <details className="section part" open={isOpen}>
      <summary>
        <h2>Item</h2>
        <span className="second small">
          {fields.length} {fields.length === 1 ? "field" : "fields"}
        </span>
      </summary>
      <div className="messages">
        {fields.map(([name, value]) => (
          <div key={name} className="message">
            <div className="role">
              <Name text={name} />
            </div>
            {typeof value === "string" && isImage(value) ? (
              <Picture source={value} />
            ) : (
              <Text
                text={textOf(value)}
                className={typeof value === "object" && value !== null ? "code" : ""}
              />
            )}
          </div>
        ))}
        {fields.length === 0 && <p className="third">(no fields)</p>}
      </div>
    </details>
  );
}
