// Calls to models that are stored, with OpenAI's npm SDK: `node logs.mjs PACKAGE_DIRECTORY URL`, as `scenario.mjs`.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , directory, url] = process.argv;
const { default: OpenAI } = await import(pathToFileURL(join(directory, 'index.mjs')).href);
const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
const { metadata, messages, criteria } = JSON.parse(readFileSync(0, 'utf8'));
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any' });
const { completions } = client.chat;
const { responses, evals } = client;
const seen = { version };

const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

async function collect(page, pick = (each) => each) {
  const found = [];
  for await (const each of await page) found.push(pick(each));
  return found;
}

// Chat completions.
const asked = messages.map((each) => ({ model: 'scripted', store: true, metadata, messages: [each] }));
const whole = [];
for (const each of asked) whole.push(await completions.create(each));
const chunks = await collect(completions.create({ ...asked[0], stream: true }));
const completionIds = [...whole.map((each) => each.id), chunks[0].id];
const streamed = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
seen.answered = [...whole.map((each) => each.choices[0].message.content), streamed];
const listed = await collect(completions.list({ metadata, limit: 2 }));
seen.listed = isDeepStrictEqual(listed.map((each) => each.id), [...completionIds].reverse());
seen.stored = listed.map((each) => each.choices[0].message.content);
const found = await completions.retrieve(completionIds[0]);
seen.retrieved = [found.choices[0].message.content, found.metadata];
seen.messages = await collect(completions.messages.list(completionIds[0], { limit: 1 }), (each) => [each.role, each.content]);
const more = { ...metadata, more: '1' };
seen.updated = (await completions.update(completionIds[0], { metadata: more })).metadata;
seen.found = isDeepStrictEqual(await collect(completions.list({ metadata: more }), (each) => each.id), completionIds.slice(0, 1));

// Responses.
const common = { model: 'scripted', metadata };
const first = await responses.create({ ...common, input: 'Remember. ANSWER: noted', instructions: 'Be brief.' });
const second = await responses.create({ ...common, input: 'What? ANSWER: that', previous_response_id: first.id });
const events = await collect(responses.create({ ...common, input: 'ANSWER: a b c', stream: true }));
const responseIds = [first.id, second.id, events.at(-1).response.id];
const kept = [];
for (const id of responseIds) kept.push(await responses.retrieve(id));
seen.responses = kept.map((each) => each.output_text ?? each.output.at(-1).content[0].text);
seen.instructions = kept[0].instructions;
seen.previous = kept[1].previous_response_id === first.id;
const items = await collect(responses.inputItems.list(second.id, { order: 'asc', limit: 2 }));
seen.input_items = items.map((item) => item.content[0].text);
try {
  await responses.create({ model: 'scripted', input: 'x', previous_response_id: 'resp_unknown' });
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  seen.unknown_previous = [error.constructor.name, error.status, error.param];
}

// Runs over both, as stored and sampled anew.
const config = { type: 'logs', metadata };
const evaluation = await evals.create({ data_source_config: config, testing_criteria: criteria });
const again = { model: 'scripted', input_messages: { type: 'item_reference', item_reference: 'item.input' } };
const textOf = (item) => item.sample.output[0].content;
for (const [type, source] of [['completions', 'stored_completions'], ['responses', 'responses']]) {
  const stored = { type, source: { type: source } };
  const ended = [];
  const rows = [];
  for (const dataSource of [stored, { ...stored, ...again }]) {
    let run = await evals.runs.create(evaluation.id, { data_source: dataSource });
    while (!['completed', 'failed', 'canceled'].includes(run.status)) {
      await pause(50);
      run = await evals.runs.retrieve(run.id, { eval_id: evaluation.id });
    }
    ended.push([run.status, run.result_counts]);
    const list = await collect(evals.runs.outputItems.list(run.id, { eval_id: evaluation.id }));
    rows.push(list.sort((one, other) => one.datasource_item_id - other.datasource_item_id));
  }
  seen[`runs_${type}`] = ended;
  seen[`items_${type}`] = rows[0].map((one, index) => [
    one.datasource_item_id,
    isDeepStrictEqual(one.datasource_item, rows[1][index].datasource_item),
    textOf(one),
    textOf(rows[1][index]),
  ]);
}

// Deletion.
seen.deleted = [];
for (const id of completionIds) seen.deleted.push((await completions.delete(id)).deleted);
for (const id of responseIds) await responses.delete(id);
seen.gone = [];
for (const call of [...completionIds.map((id) => () => completions.retrieve(id)), ...responseIds.map((id) => () => responses.retrieve(id))]) {
  try {
    await call();
    seen.gone.push(false);
  } catch (error) {
    if (!(error instanceof OpenAI.NotFoundError)) throw error;
    seen.gone.push(true);
  }
}

process.stdout.write(JSON.stringify(seen));
