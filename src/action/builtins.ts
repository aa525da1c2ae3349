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
  "actions/cache": { builtin: "cache", first: false },
  "actions/cache/restore": { builtin: "cache/restore", first: false },
  "actions/cache/save": { builtin: "cache/save", first: false },
  "actions/upload-artifact": { builtin: "upload-artifact", first: false },
  "actions/upload-artifact/merge": { builtin: "upload-artifact/merge", first: false },
  "actions/download-artifact": { builtin: "download-artifact", first: false },
  "actions/setup-node": { builtin: "setup-node", first: false },
  "actions/setup-python": { builtin: "setup-python", first: false },
  "actions/setup-go": { builtin: "setup-go", first: false },
};

export function builtinFor({ owner, name, path }: RemoteReference): BuiltinRule | undefined {
  const action = [owner, name, ...(path === "" ? [] : [path])].join("/").toLowerCase();
  return Object.hasOwn(RULES, action) ? RULES[action] : undefined;
}
