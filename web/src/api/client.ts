import type { paths as ContractPaths } from "@schemas/contract";
import type { paths as ExtensionPaths } from "@schemas/extension";
import { parseJson } from "./json";
import { PREFIX } from "./place";

type Paths = ContractPaths & ExtensionPaths;
type Method = "get" | "post" | "delete";
type PathsWith<M extends Method> = {
  [P in keyof Paths]: Paths[P][M] extends { responses: unknown } ? P : never;
}[keyof Paths];
type Operation<M extends Method, P extends PathsWith<M>> = Paths[P][M];
type Parameters<O, In extends "path" | "query"> = O extends { parameters: infer All }
  ? In extends keyof All
    ? All[In]
    : undefined
  : undefined;
type Success<O> = O extends { responses: infer R } ? R[keyof R & (200 | 201)] : never;
type Answer<O> = Success<O> extends { content: { "application/json": infer Body } } ? Body : unknown;
type Given<O> = {
  path?: Parameters<O, "path">;
  query?: Parameters<O, "query">;
  body?: unknown;
  signal?: AbortSignal;
};

/** What the server refused or failed to do: its message says what is wrong, `requestId` finds it in the log. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null,
    readonly param: string | null,
    readonly requestId: string | null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** Whether the same request may succeed later. */
  get mayPass(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** What this tab knows of whoever uses it: every request says in which project it acts. */
let project: string | null = null;
let hearLoggedOut: () => void = () => {};

/** Act in a project, whatever another tab looks at; null for the one that the server chooses. */
export function actIn(chosen: string | null): void {
  project = chosen;
}

/** Be told when the server knows nobody any more, or not in this project. */
export function whenLoggedOut(hear: () => void): void {
  hearLoggedOut = hear;
}

/** Whether the server still prepares what was asked for, which a run of many items needs after its end. */
export function isPreparing(error: unknown): boolean {
  return error instanceof ApiError && error.code === "comparison_not_ready";
}

/** GET an address of the API; `path` and `query` are those of its OpenAPI document. */
export function get<P extends PathsWith<"get">>(address: P, given: Given<Operation<"get", P>> = {}) {
  return request<Answer<Operation<"get", P>>>("GET", address, given);
}

export function post<P extends PathsWith<"post">>(address: P, given: Given<Operation<"post", P>> = {}) {
  return request<Answer<Operation<"post", P>>>("POST", address, given);
}

export function remove<P extends PathsWith<"delete">>(address: P, given: Given<Operation<"delete", P>> = {}) {
  return request<Answer<Operation<"delete", P>>>("DELETE", address, given);
}

/** Read an answer of JSON lines, each as it comes. */
export async function openLines<P extends PathsWith<"get">>(
  address: P,
  given: Given<Operation<"get", P>>,
  hear: (line: unknown) => void,
): Promise<void> {
  const answer = await send("GET", filled(address, given), given);
  if (!answer.ok) throw refusal(answer, await answer.text(), answer.headers.get("x-request-id"));
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) hear(parseJson(line));
  }
}

/** Return the address of a GET, for links to exports and downloads. */
export function addressOf<P extends PathsWith<"get">>(address: P, given: Given<Operation<"get", P>>): string {
  return filled(address, given);
}

async function request<T>(method: string, address: string, given: Given<unknown>): Promise<T> {
  const answer = await send(method, filled(address, given), given);
  const text = await answer.text();
  const requestId = answer.headers.get("x-request-id");
  if (!answer.ok) throw refusal(answer, text, requestId);
  try {
    return parseJson(text) as T;
  } catch {
    throw new ApiError("The server's answer is not JSON.", answer.status, null, null, requestId);
  }
}

async function send(method: string, url: string, given: Given<unknown>): Promise<Response> {
  const body =
    given.body === undefined
      ? null
      : given.body instanceof FormData
        ? given.body
        : JSON.stringify(given.body);
  // The browser itself tells the type of a form, with what stands between its parts.
  const headers: Record<string, string> =
    body === null || body instanceof FormData ? {} : { "content-type": "application/json" };
  const isOfSession = url === `${PREFIX}/api/session`;
  if (project !== null && !isOfSession) headers["openai-project"] = project;
  try {
    const answer = await fetch(url, { method, headers, body, signal: given.signal ?? null });
    if (answer.status === 401 && !isOfSession) hearLoggedOut();
    return answer;
  } catch (error) {
    if (given.signal?.aborted) throw error;
    throw new ApiError("The server does not answer.", 0, null, null, null);
  }
}

function refusal(answer: Response, text: string, requestId: string | null): ApiError {
  try {
    const said = (JSON.parse(text) as { error: { message: string; code?: string; param?: string } }).error;
    return new ApiError(said.message, answer.status, said.code ?? null, said.param ?? null, requestId);
  } catch {
    return new ApiError(`The server answered ${answer.status}.`, answer.status, null, null, requestId);
  }
}

function filled(address: string, given: Given<unknown>): string {
  const path = (given.path ?? {}) as Record<string, string>;
  const filledPath =
    PREFIX + address.replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(path[name] ?? ""));
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries((given.query ?? {}) as Record<string, unknown>)) {
    for (const [key, each] of queryPairs(name, value)) query.append(key, each);
  }
  const text = query.toString();
  return text === "" ? filledPath : `${filledPath}?${text}`;
}

/** Lists are repeated, and objects sent as `name[key]=value`. */
function queryPairs(name: string, value: unknown): [string, string][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((each) => [name, String(each)]);
  if (typeof value !== "object") return [[name, String(value)]];
  return Object.entries(value).map(([key, each]) => [`${name}[${key}]`, String(each)]);
}
