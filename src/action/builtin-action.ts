/**
 * Built-ins that are programs: brought into the machine and run there as JavaScript actions are, from a repository that is Hearth
 * itself. `checkout` is none of them: it needs no program.
 */
import type { Builtin, RemoteAction, Way } from "../plan/plan.ts";

/** No commit has this name, so nothing that was resolved is ever taken for it. */
const SHA = "0".repeat(40);

function builtinAction(builtin: Exclude<Builtin, "checkout">): RemoteAction {
  return { repository: "hearth/builtins", path: builtin, ref: "builtin", sha: SHA };
}

export function isBuiltinAction({ sha }: RemoteAction): boolean {
  return sha === SHA;
}

/** Undefined for every way that needs nothing brought into the machine. */
export function deliveredAction(way: Way): RemoteAction | undefined {
  if (way.kind === "builtin") return way.builtin === "checkout" ? undefined : builtinAction(way.builtin);
  return way.kind === "javascript" || way.kind === "composite" ? way.action : undefined;
}
