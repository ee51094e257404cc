import { isObject, type Loose, wordOf } from "./loose";

/** Return the schema of an eval's items; null where its items are logged calls. */
export function itemSchemaOf(config: unknown): Loose | null {
  if (!isObject(config) || config.type !== "custom") return null;
  const properties = isObject(config.schema) ? config.schema.properties : undefined;
  const item = isObject(properties) ? properties.item : undefined;
  return isObject(item) ? item : {};
}

export type Field = {
  path: string;
  depth: number;
  name: string;
  type: string;
  isRequired: boolean;
  note: string;
};

const DEEPEST = 8;

/** Return the fields of a schema, each before those within it. */
export function fieldsOf(schema: Loose, depth = 0, path = ""): Field[] {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required: unknown[] = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(properties).flatMap(([name, each]) => {
    const own = isObject(each) ? each : {};
    const at = `${path}/${name}`;
    const inner = isObject(own.items) ? own.items : own;
    const field = {
      path: at,
      depth,
      name,
      type: typeOf(own),
      isRequired: required.includes(name),
      note: noteOf(own),
    };
    return depth < DEEPEST ? [field, ...fieldsOf(inner, depth + 1, at)] : [field];
  });
}

function typeOf(schema: Loose): string {
  const type = Array.isArray(schema.type) ? schema.type.map(wordOf).join(" or ") : wordOf(schema.type);
  if (type === "array" && isObject(schema.items)) return `array of ${typeOf(schema.items)}`;
  return type || "anything";
}

function noteOf(schema: Loose): string {
  const choices = Array.isArray(schema.enum) ? `one of ${schema.enum.map(wordOf).join(", ")}` : "";
  return [wordOf(schema.description), choices].filter((each) => each !== "").join("; ");
}

/** Return a value of the shape that a schema describes. */
export function exampleOf(schema: Loose, depth = 0): unknown {
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.examples) && schema.examples.length > 0) return schema.examples[0];
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "string") return "…";
  if (type === "number" || type === "integer") return 0;
  if (type === "boolean") return true;
  if (type === "null") return null;
  if (type === "array") {
    return isObject(schema.items) && depth < DEEPEST ? [exampleOf(schema.items, depth + 1)] : [];
  }
  if (!isObject(schema.properties) || depth >= DEEPEST) return {};
  const entries = Object.entries(schema.properties);
  return Object.fromEntries(
    entries.map(([name, each]) => [name, exampleOf(isObject(each) ? each : {}, depth + 1)]),
  );
}
