import { renderJson } from "@/api/json";

/** Messages as models and recorders write them: chat completions, Responses, and what lies between. */

export type Part =
  | { kind: "text"; text: string }
  | { kind: "refusal"; text: string }
  | { kind: "reasoning"; text: string }
  | { kind: "image"; source: string }
  | { kind: "media"; what: string; name: string }
  | { kind: "call"; name: string; input: string; id: string }
  | { kind: "json"; text: string };

export type Message = { role: string; parts: Part[]; name: string };

type Loose = Record<string, unknown>;

/** Return messages in parts, whatever form they came in; what nobody knows is shown as JSON. */
export function messagesOf(messages: readonly unknown[]): Message[] {
  return messages.map(messageOf);
}

/** Return the text of the last answer. */
export function answerOf(output: readonly unknown[]): string {
  const last = messagesOf(output).findLast((message) => message.parts.some(isText));
  return (
    last?.parts
      .filter(isText)
      .map((part) => part.text)
      .join("\n") ?? ""
  );
}

function isText(part: Part): part is Extract<Part, { kind: "text" | "refusal" }> {
  return part.kind === "text" || part.kind === "refusal";
}

function messageOf(message: unknown): Message {
  if (!isObject(message)) return { role: "", parts: [partOf(message)], name: "" };
  const { type } = message;
  if (type === "function_call" || type === "custom_tool_call")
    return { role: "assistant", parts: [callOf(message)], name: "" };
  if (type === "function_call_output" || type === "custom_tool_call_output")
    return { role: "tool", parts: partsOf(message.output), name: textIn(message, "call_id") };
  if (type === "reasoning") return { role: "assistant", parts: reasoningOf(message), name: "" };
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls : [];
  const refusal = textIn(message, "refusal");
  return {
    role: textIn(message, "role") || "message",
    name: textIn(message, "name") || textIn(message, "tool_call_id"),
    parts: [
      ...reasoningOf(message),
      ...partsOf(message.content),
      ...(refusal === "" ? [] : [{ kind: "refusal" as const, text: refusal }]),
      ...calls.map((each) => (isObject(each) ? callOf(each) : partOf(each))),
      ...(isObject(message.function_call) ? [callOf(message.function_call)] : []),
    ],
  };
}

function partsOf(content: unknown): Part[] {
  if (content === null || content === undefined || content === "") return [];
  return Array.isArray(content) ? content.map(partOf) : [partOf(content)];
}

function partOf(part: unknown): Part {
  if (typeof part === "string") return { kind: "text", text: part };
  if (!isObject(part)) return { kind: "json", text: renderJson(part) };
  if (typeof part.text === "string") {
    const isReasoning = part.type === "reasoning" || part.type === "summary_text" || part.type === "thinking";
    return { kind: isReasoning ? "reasoning" : "text", text: part.text };
  }
  if (typeof part.refusal === "string") return { kind: "refusal", text: part.refusal };
  const image = isObject(part.image_url) ? part.image_url.url : part.image_url;
  if (typeof image === "string") return { kind: "image", source: image };
  if (isObject(part.input_audio))
    return { kind: "media", what: "Audio", name: textIn(part.input_audio, "format") };
  if (part.type === "file" || part.type === "input_file") {
    const file = isObject(part.file) ? part.file : part;
    return { kind: "media", what: "File", name: textIn(file, "filename") || textIn(file, "file_id") };
  }
  if (part.type === "function_call" || part.type === "tool_use") return callOf(part);
  return { kind: "json", text: renderJson(part) };
}

function callOf(call: Loose): Part {
  const called = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : call;
  const input = called.arguments ?? called.input ?? "";
  return {
    kind: "call",
    name: textIn(called, "name") || "(no name)",
    input: typeof input === "string" ? input : renderJson(input),
    id: textIn(call, "id") || textIn(call, "call_id"),
  };
}

/** Reasoning stands beside the content, as a text or as a summary in parts, by several names. */
function reasoningOf(message: Loose): Part[] {
  const found = message.reasoning_content ?? message.reasoning ?? message.summary ?? message.thinking;
  const texts = (Array.isArray(found) ? found : [found]).map((each) =>
    typeof each === "string" ? each : isObject(each) ? textIn(each, "text") || textIn(each, "summary") : "",
  );
  return texts.filter((text) => text !== "").map((text) => ({ kind: "reasoning", text }));
}

export function isObject(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textIn(value: Loose, name: string): string {
  const text = value[name];
  return typeof text === "string" ? text : "";
}
