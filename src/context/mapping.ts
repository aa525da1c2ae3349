/** Reading and making the mappings that contexts are: keys are found whatever their case, and keep their order. */
import { isArray } from "../expression/coerce.ts";
import { findKey, keysOf, objectFromEntries } from "../expression/ordered-object.ts";
import type { ObjectValue } from "../expression/ordered-object.ts";
import type { Value } from "../expression/template.ts";

export function isMapping(value: Value | undefined): value is ObjectValue {
  return typeof value === "object" && value !== null && !isArray(value);
}

export function entriesOf(mapping: ObjectValue): readonly (readonly [key: string, value: Value])[] {
  return keysOf(mapping).map((key) => [key, mapping[key] ?? null]);
}

/** The member of that name whatever its case, the exact spelling first; undefined when there is none. */
export function member(value: Value | undefined, name: string): Value | undefined {
  const key = isMapping(value) ? findKey(value, name) : undefined;
  return isMapping(value) && key !== undefined ? value[key] : undefined;
}

/** Entries whose value is undefined are left out: the host does not know it, and a missing member reads as null. */
export function mappingOf(entries: Iterable<readonly [key: string, value: Value | undefined]>): ObjectValue {
  return objectFromEntries(
    [...entries].flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
  );
}
