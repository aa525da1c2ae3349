/** `actions` of `hearth.yml`: which actions and called workflows of other repositories may be used. What it means is `policy.ts`'s. */
import { isScalar } from "yaml";
import type { ActionPolicy } from "../action/policy.ts";
import { isRepositoryName } from "../workflow/repository-reference.ts";
import { fault, readItems, readMembers, textOf } from "./settings-node.ts";
import type { Place, Reader } from "./settings-node.ts";

const MAX_PATTERNS = 1_000;

export function readActionPolicy(reader: Reader, place: Place): ActionPolicy {
  let policy: ActionPolicy = { allow: undefined, requireSha: undefined };
  readMembers(reader, place, {
    allow: (value) => (policy = { ...policy, allow: { patterns: readPatterns(reader, value), at: value.at } }),
    "require-sha": (value) => (policy = { ...policy, requireSha: readSwitch(reader, value) ? value.at : undefined }),
  });
  return policy;
}

/** `owner/name` and `owner/*`, in lower case. */
export function readPatterns(reader: Reader, place: Place): readonly string[] {
  const items = readItems(reader, place);
  if (items.length > MAX_PATTERNS) fault(reader, place, `Expected at most ${MAX_PATTERNS} names`);
  return items.slice(0, MAX_PATTERNS).flatMap((item) => {
    const text = textOf(reader, item, "a name");
    if (text === undefined) return [];
    const [owner = "", name = "", ...more] = text.split("/");
    if (more.length === 0 && isRepositoryName(owner, name === "*" ? "x" : name)) return [text.toLowerCase()];
    fault(reader, item, "Expected owner/name, or owner/* for all repositories of an owner");
    return [];
  });
}

export function readSwitch(reader: Reader, place: Place): boolean {
  const value = isScalar(place.node) ? place.node.value : undefined;
  if (typeof value !== "boolean") fault(reader, place, "Expected true or false");
  return value === true;
}
