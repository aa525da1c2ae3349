/**
 * Which environments ask for somebody's approval before a job of theirs begins. Said by the operator, or by `hearth.yml` of the
 * default branch: whoever may write there may deploy anyway. The file of any other commit says nothing of it, or a pull request
 * could leave the line out. Pure.
 */
import type { HearthFile } from "./parse-hearth-file.ts";

/** `defaultBranch`: undefined where it has no file. `operator`: names of environments of every repository; `*` for all. */
export function environmentNeedsApproval(
  environment: string,
  defaultBranch: Pick<HearthFile, "environments"> | undefined,
  operator: readonly string[],
): boolean {
  const name = environment.toLowerCase();
  if (operator.some((named) => named === "*" || named.toLowerCase() === name)) return true;
  return defaultBranch?.environments.get(name)?.approval === true;
}
