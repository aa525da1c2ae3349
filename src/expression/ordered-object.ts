/**
 * Objects that keep the order of their keys. JavaScript lists keys that look like array indexes first, whatever the
 * order they were set in; GitHub does not, and people see it in `toJSON` and in the names of matrix jobs.
 * Objects have a null prototype, so `__proto__` and `constructor` are keys like others. The order is remembered beside
 * the object, only where it differs from JavaScript's: after a round trip through JSON it is JavaScript's again.
 */
import type { Value } from "./template.ts";

export interface ObjectValue {
  readonly [key: string]: Value;
}

const keyOrders = new WeakMap<ObjectValue, readonly string[]>();

/** Of two entries with the same key the later one wins and stands where the first one stood. */
export function objectFromEntries(entries: Iterable<readonly [string, Value]>): ObjectValue {
  const map = new Map(entries);
  const object: { [key: string]: Value } = Object.create(null);
  let hasIndexLikeKey = false;
  for (const [key, value] of map) {
    object[key] = value;
    hasIndexLikeKey ||= /^\d+$/.test(key);
  }
  if (hasIndexLikeKey) keyOrders.set(object, [...map.keys()]);
  return object;
}

export function keysOf(object: ObjectValue): readonly string[] {
  return keyOrders.get(object) ?? Object.keys(object);
}

/** The key as it is spelled in the object, found whatever the case; an exact match goes first. */
export function findKey(object: ObjectValue, name: string): string | undefined {
  if (Object.hasOwn(object, name)) return name;
  const folded = name.toLowerCase();
  return keysOf(object).find((key) => key.toLowerCase() === folded);
}
