// The scenario with OpenAI's npm SDK: `node scenario.mjs PACKAGE_DIRECTORY URL`, facts on stdin, what was seen on stdout.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , directory, url] = process.argv;
const { default: OpenAI, toFile } = await import(pathToFileURL(join(directory, 'index.mjs')).href);
const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
const given = JSON.parse(readFileSync(0, 'utf8'));
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any' });
const { evals, files, uploads } = client;
const seen = { version, problems: [] };

const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

async function collect(page, pick) {
  const found = [];
  for await (const each of page) found.push(pick(each));
  return found;
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    const { status, message, param, code, type } = error;
    return { kind: error.constructor.name, status, message, param, code, type, request_id: error.requestID };
  }
  return null;
}

const created = await evals.create(given.eval);
seen.created = created;
seen.retrieved = await evals.retrieve(created.id);
seen.updated = await evals.update(created.id, given.update);
seen.made = [created.id];
for (let count = 0; count < 4; count += 1) seen.made.push((await evals.create(given.eval)).id);
const query = { limit: 2, order: 'asc', order_by: 'created_at' };
seen.first_page = (await evals.list(query)).data.length;
seen.listed = await collect(evals.list(query), (each) => each.id);

const file = await toFile(Buffer.from(given.file.content), given.file.name);
seen.file = await files.create({ file, purpose: 'evals' });
seen.file_content = await (await files.content(seen.file.id)).text();

const content = Buffer.from(given.file.content);
const announced = { filename: given.file.name, mime_type: 'application/jsonl', purpose: 'evals' };
const upload = await uploads.create({ ...announced, bytes: content.length });
const partIds = [];
const partSize = Math.ceil(content.length / 3);
for (let start = 0; start < content.length; start += partSize) {
  const data = await toFile(content.subarray(start, start + partSize), 'part');
  partIds.push((await uploads.parts.create(upload.id, { data })).id);
}
const md5 = createHash('md5').update(content).digest('hex');
seen.upload = await uploads.complete(upload.id, { part_ids: partIds, md5 });
seen.upload_content = await (await files.content(seen.upload.file.id)).text();
const dropped = await uploads.create({ ...announced, bytes: 1 });
seen.part = await uploads.parts.create(dropped.id, { data: await toFile(Buffer.from('x'), 'part') });
seen.canceled_upload = await uploads.cancel(dropped.id);

const sources = {
  inline: { type: 'jsonl', source: { type: 'file_content', content: given.rows } },
  file: { type: 'jsonl', source: { type: 'file_id', id: seen.file.id } },
};
for (const [name, source] of Object.entries(sources)) {
  let run = await evals.runs.create(created.id, { name, data_source: source, metadata: given.metadata });
  seen[`started_${name}`] = run;
  while (!['completed', 'failed', 'canceled'].includes(run.status)) {
    await pause(50);
    run = await evals.runs.retrieve(run.id, { eval_id: created.id });
  }
  seen[`ended_${name}`] = run;
}
const ended = seen.ended_inline;
const runQuery = { limit: 1, order: 'asc' };
seen.runs = await collect(evals.runs.list(created.id, runQuery), (each) => each.name);
seen.completed_runs = await collect(
  evals.runs.list(created.id, { ...runQuery, status: 'completed' }),
  (each) => each.name,
);

const items = evals.runs.outputItems;
seen.items = await collect(items.list(ended.id, { eval_id: created.id, limit: 3, order: 'asc' }), (each) => each);
seen.item = await items.retrieve(seen.items[0].id, { eval_id: created.id, run_id: ended.id });
seen.failed_items = await collect(
  items.list(ended.id, { eval_id: created.id, limit: 1, status: 'fail' }),
  (each) => each.datasource_item_id,
);

const large = { type: 'jsonl', source: { type: 'file_id', id: given.large_file_id } };
let underWay = await evals.runs.create(created.id, { data_source: large });
while (underWay.status === 'queued') {
  await pause(10);
  underWay = await evals.runs.retrieve(underWay.id, { eval_id: created.id });
}
seen.under_way = underWay.status;
seen.canceled = await evals.runs.cancel(underWay.id, { eval_id: created.id });
seen.canceled_later = await evals.runs.retrieve(underWay.id, { eval_id: created.id });
seen.cancel_of_ended = await evals.runs.cancel(ended.id, { eval_id: created.id });

seen.deleted_run = await evals.runs.delete(ended.id, { eval_id: created.id });
seen.deleted_evals = [];
for (const id of seen.made) seen.deleted_evals.push(await evals.delete(id));
seen.deleted_file = await files.delete(seen.file.id);
seen.not_found = await refusal(() => evals.retrieve(created.id));
seen.bad_request = await refusal(() => evals.create(given.bad_eval));
console.log(JSON.stringify(seen));
