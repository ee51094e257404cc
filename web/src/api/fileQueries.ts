import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { addressOf, get, post } from "./client";

/** Questions for uploaded files. */

const PAGE = 50;
/** How much of a file is fetched to be looked at, however long it is. */
const PREVIEW_BYTES = 64_000;

export function filesQuery(search: string | undefined) {
  return infiniteQueryOptions({
    queryKey: ["files", search],
    queryFn: ({ pageParam, signal }) =>
      get("/api/files", { query: { search, limit: PAGE, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** A file as the API has it; an unknown one is refused with 404. */
export function fileQuery(fileId: string) {
  return queryOptions({
    queryKey: ["file", fileId],
    queryFn: ({ signal }) => get("/v1/files/{file_id}", { path: { file_id: fileId }, signal }),
  });
}

/** What reads a file, and how many rows were found in it. */
export function fileOverviewQuery(fileId: string) {
  return queryOptions({
    queryKey: ["files", "overview", fileId],
    queryFn: async ({ signal }) => {
      const found = await get("/api/files", { query: { search: fileId, limit: 20 }, signal });
      return found.data.find((each) => each.id === fileId) ?? null;
    },
  });
}

export type Beginning = { text: string; isWhole: boolean };

/** The beginning of a file's content; the rest is not fetched. */
export function beginningQuery(fileId: string) {
  return queryOptions({
    queryKey: ["file", fileId, "beginning"],
    queryFn: async ({ signal }): Promise<Beginning> => {
      const answer = await fetch(contentOf(fileId), { signal });
      const reader = answer.body?.getReader();
      if (!answer.ok || reader === undefined) throw new Error(`The server answered ${answer.status}.`);
      const decoder = new TextDecoder();
      let text = "";
      for (let size = 0; size < PREVIEW_BYTES; ) {
        const { done, value } = await reader.read();
        if (done) return { text: text + decoder.decode(), isWhole: true };
        size += value.length;
        text += decoder.decode(value, { stream: true });
      }
      await reader.cancel();
      return { text: text.slice(0, PREVIEW_BYTES), isWhole: false };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function contentOf(fileId: string): string {
  return addressOf("/v1/files/{file_id}/content", { path: { file_id: fileId } });
}

/** Upload a file for evals. */
export function uploadFile(file: File) {
  const body = new FormData();
  body.set("purpose", "evals");
  body.set("file", file);
  return post("/v1/files", { body });
}
