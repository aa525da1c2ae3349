/** Reading a payload, of which nothing is known but that it is JSON. */
import type { Value } from "../expression/template.ts";
import { isRepositoryName } from "../workflow/repository-reference.ts";

export type Payload = { readonly [key: string]: Value };

/** Undefined for what is no JSON object. */
export function parsePayload(text: string): Payload | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isPayload(value) ? value : undefined;
  } catch {
    // It is not JSON: whoever sent it is told so.
    return undefined;
  }
}

export function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPayload(value: unknown): value is Payload {
  return isRecord(value);
}

/** `owner/name`; empty where it names none, or what cannot be one. */
export function repositoryIn(payload: Payload): string {
  const fullName = textIn(payload, "repository", "full_name") ?? "";
  const [owner = "", name = "", ...rest] = fullName.split("/");
  return rest.length === 0 && isRepositoryName(owner, name) ? fullName : "";
}

/** Own members only. */
export function valueIn(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const name of path) at = isRecord(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  return at;
}

/** Undefined for what is no string, or an empty one. */
export function textIn(value: unknown, ...path: readonly string[]): string | undefined {
  const found = valueIn(value, ...path);
  return typeof found === "string" && found !== "" ? found : undefined;
}
