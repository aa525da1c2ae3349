/** Hearth's own equivalents of actions, by the names of those. A reference to any version of them means the same. */
import type { Builtin } from "../plan/plan.ts";
import type { RemoteReference } from "./reference.ts";

/** `first`: instead of the real action, for speed. The others stand in where the real one cannot be had. */
interface BuiltinRule {
  readonly builtin: Builtin;
  readonly first: boolean;
}

const RULES: Readonly<Record<string, BuiltinRule>> = {
  "actions/checkout": { builtin: "checkout", first: true },
};

export function builtinFor({ owner, name, path }: RemoteReference): BuiltinRule | undefined {
  const action = [owner, name, ...(path === "" ? [] : [path])].join("/").toLowerCase();
  return Object.hasOwn(RULES, action) ? RULES[action] : undefined;
}
