/** Text and numbers out of a payload, which may be anybody's. */
import { member } from "../context/mapping.ts";
import { toText } from "../expression/coerce.ts";
import type { Value } from "../expression/template.ts";

/** What stands at the end of the path, as text; undefined when there is nothing there, or no text or number. */
export function textAt(value: Value | undefined, ...path: readonly string[]): string | undefined {
  const found = path.reduce<Value | undefined>((at, name) => member(at, name), value);
  return typeof found === "string" || typeof found === "number" ? toText(found) : undefined;
}
