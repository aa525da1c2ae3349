/**
 * Which actions and called workflows may be used at all (`actions:` in `hearth.yml`). It is about what a file says, so it holds
 * for an action that a built-in stands for, too. Pure.
 */
import type { Position } from "../lib/diagnostic.ts";
import { repositoryText } from "./reference.ts";
import type { RemoteReference } from "./reference.ts";

export interface ActionPolicy {
  /** Undefined: all. */
  readonly allow: Allowed | undefined;
  /** Undefined: any ref will do. */
  readonly requireSha: Position | undefined;
}

interface Allowed {
  /** `owner/*` or `owner/name`, in lower case as names have none. */
  readonly patterns: readonly string[];
  readonly at: Position;
}

export interface PolicyFault {
  /** Completes "the action 'x', which …, is unsupported". */
  readonly fault: string;
  readonly fix: string;
}

/** `file` is where the policy stands. */
export function faultOfPolicy(reference: RemoteReference, policy: ActionPolicy, file: string): PolicyFault | undefined {
  const { allow, requireSha } = policy;
  const place = ({ line, column }: Position, key: string): string => `${file}:${line}:${column} (actions.${key})`;
  if (allow !== undefined && !isAllowed(reference, allow.patterns)) {
    const name = repositoryText(reference);
    return {
      fault: `is not among those that ${place(allow.at, "allow")} allows`,
      fix: `use an allowed one, or add ${name} there`,
    };
  }
  if (requireSha !== undefined && !/^[0-9a-f]{40}$/iu.test(reference.ref)) {
    return {
      fault: `is not pinned to a commit, as ${place(requireSha, "require-sha")} requires`,
      fix: "write the commit's 40 digits after the @",
    };
  }
  return undefined;
}

/** `patterns` as `Allowed` has them. */
export function isAllowed({ owner, name }: RemoteReference, patterns: readonly string[]): boolean {
  return patterns.includes(`${owner}/${name}`.toLowerCase()) || patterns.includes(`${owner}/*`.toLowerCase());
}
