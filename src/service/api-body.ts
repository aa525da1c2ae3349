/**
 * Reads what a client sent: JSON of a bounded size and depth, its members one by one. A wrong one is GitHub's 400 or 422.
 * Members that nobody asks for are ignored, as GitHub does.
 */
import type { ApiRequest, Json, JsonObject } from "./api-message.ts";
import { ApiProblem, invalid } from "./api-message.ts";

/** A file of some MiB in base64; what people write is far less. */
export const MAX_JSON_BYTES = 8 << 20;
/** Of a release's asset, which is kept in memory. */
export const MAX_ASSET_BYTES = 32 << 20;
const MAX_DEPTH = 64;

/** `{}` for no body. Throws `ApiProblem` 400. */
export function bodyOf({ body }: Pick<ApiRequest, "body">): JsonObject {
  const text = body.toString("utf8");
  if (text.trim() === "") return {};
  const value = parseBounded(text);
  if (!isObject(value)) throw new ApiProblem(400, "Body should be a JSON object");
  return value;
}

/** A label can be added as `["bug"]` alone. */
export function bodyOrArray({ body }: Pick<ApiRequest, "body">): JsonObject | readonly Json[] {
  const text = body.toString("utf8");
  if (text.trim() === "") return {};
  const value = parseBounded(text);
  if (isObject(value) || isList(value)) return value;
  throw new ApiProblem(400, "Body should be a JSON object");
}

function parseBounded(text: string): Json {
  if (isDeep(text)) throw new ApiProblem(400, "Problems parsing JSON");
  try {
    const value: Json = JSON.parse(text, withoutPrototype);
    return value;
  } catch (error) {
    if (error instanceof SyntaxError) throw new ApiProblem(400, "Problems parsing JSON");
    throw error;
  }
}

/** What follows walks values by recursion. */
function isDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === "\\") at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "[" || character === "{") depth += 1;
    else if (character === "]" || character === "}") depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** JSON.parse makes an own member of `__proto__`, and a spread keeps it one; dropping it keeps it from ever being assigned. */
function withoutPrototype(key: string, value: Json): Json | undefined {
  return key === "__proto__" ? undefined : value;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Empty for what is no text, number or flag. */
export function shown(value: Json | undefined): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** GitHub takes no longer ones for issues, comments, reviews and releases. */
const MAX_TEXT_CHARACTERS = 65_536;

/** Undefined when it is not there or null. Throws 422 for another type. */
export function textIn(body: JsonObject, field: string, resource = "Request"): string | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value.length > MAX_TEXT_CHARACTERS) throw invalid(resource, field, "invalid");
  return value;
}

export function requiredText(body: JsonObject, field: string, resource = "Request"): string {
  const value = textIn(body, field, resource);
  if (value === undefined || value === "") throw invalid(resource, field, "missing_field");
  return value;
}

export function flagIn(body: JsonObject, field: string, byDefault: boolean): boolean {
  const value = body[field] ?? byDefault;
  if (typeof value !== "boolean") throw invalid("Request", field, "invalid");
  return value;
}

/** Undefined when it is not there. */
export function textsIn(body: JsonObject, field: string): readonly string[] | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (!isList(value) || !value.every((one) => typeof one === "string")) throw invalid("Request", field, "invalid");
  return value;
}

/** Those of `fields` that the body has, as they are: what a PATCH lays over an object. */
export function picked(body: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(fields.flatMap((field) => (body[field] === undefined ? [] : [[field, body[field]]])));
}
