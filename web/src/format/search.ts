/** Reads search parameters of an address, which anybody may have typed. */

export type Search = Record<string, unknown>;

/** Return a text; undefined if there is none. */
export function textOf(search: Search, name: string): string | undefined {
  const value = search[name];
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Return one of the texts that are known; undefined for any other. */
export function choiceOf<T extends string>(
  search: Search,
  name: string,
  choices: readonly T[],
): T | undefined {
  return choices.find((choice) => choice === search[name]);
}

/** Return all texts of a parameter that may be repeated. */
export function textsOf(search: Search, name: string): string[] | undefined {
  const value = search[name];
  const texts = (Array.isArray(value) ? value : [value]).filter(
    (each) => typeof each === "string" && each !== "",
  );
  return texts.length === 0 ? undefined : texts;
}
