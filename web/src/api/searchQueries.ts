import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { counted } from "@/format/numbers";
import { ApiError, get } from "./client";

/** What the palette finds: the id that tells it from all others, its name, what it is, and where it is. */
export type Found = { id: string; name: string; kind: string; to: string };

const FOUND = 8;
/** What is looked for as a whole id too, among things that have no name. */
const ID_LIKE = /^[\w.~@:+=-]{8,128}$/;

/** What the palette finds for a text: evals, runs and files by a part of name or id, items and calls by their ids. */
export function searchQuery(text: string) {
  return queryOptions({
    queryKey: ["search", text],
    queryFn: async ({ signal }): Promise<Found[]> => {
      const isIdLike = ID_LIKE.test(text);
      const found = await Promise.all([
        isIdLike ? itemOf(text, signal) : [],
        isIdLike ? callOf(text, signal) : [],
        evalsLike(text, signal),
        text === "" ? [] : runsLike(text, signal),
        text === "" ? [] : filesLike(text, signal),
      ]);
      // What has this very id comes first.
      return found.flat().sort((left, right) => Number(right.id === text) - Number(left.id === text));
    },
    placeholderData: keepPreviousData,
    retry: false,
  });
}

async function evalsLike(text: string, signal: AbortSignal): Promise<Found[]> {
  const found = await get("/api/evals", { query: { search: text || undefined, limit: FOUND }, signal });
  return found.data.map(({ id, name }) => ({ id, name: name || id, kind: "eval", to: `/evals/${id}` }));
}

async function runsLike(search: string, signal: AbortSignal): Promise<Found[]> {
  const found = await get("/api/runs", { query: { search, limit: FOUND }, signal });
  return found.data.map(({ id, name, eval_id, eval_name }) => ({
    id,
    name: name || id,
    kind: `run of ${eval_name || eval_id}`,
    to: `/evals/${eval_id}/runs/${id}`,
  }));
}

async function filesLike(search: string, signal: AbortSignal): Promise<Found[]> {
  const found = await get("/api/files", { query: { search, limit: FOUND }, signal });
  return found.data.map(({ id, filename, runs }) => ({
    id,
    name: filename || id,
    kind: runs === 0 ? "file" : `file of ${counted(runs, "run")}`,
    to: `/files/${id}`,
  }));
}

function itemOf(id: string, signal: AbortSignal): Promise<Found[]> {
  return known(async () => {
    const found = await get("/api/output_items/{output_item_id}", { path: { output_item_id: id }, signal });
    return {
      id: found.id,
      name: `#${found.datasource_item_id}`,
      kind: `item of ${found.run_name || found.run_id}`,
      to: `/evals/${found.eval_id}/runs/${found.run_id}/items/${found.id}`,
    };
  });
}

function callOf(id: string, signal: AbortSignal): Promise<Found[]> {
  return known(async () => {
    const found = await get("/api/logs/calls/{call_id}", { path: { call_id: id }, signal });
    return {
      id: found.id,
      name: found.input || found.id,
      kind: `call of ${found.model}`,
      to: `/logs/${found.id}`,
    };
  });
}

/** Return what was asked for, or nothing where the server knows no such id. */
async function known(ask: () => Promise<Found>): Promise<Found[]> {
  try {
    return [await ask()];
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 400)) return [];
    throw error;
  }
}
