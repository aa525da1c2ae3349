/** The token of a job and what it may do: `github.token`, `secrets.GITHUB_TOKEN` (ACTIONS-CONTRACT §1.1, §1.4). */
import { effectivePermissions } from "../workflow/permissions.ts";
import type { Permissions } from "../workflow/permissions.ts";
import type { Job } from "../workflow/workflow.ts";
import type { WorkflowRun } from "./workflow-run.ts";

export interface JobToken {
  readonly token: string;
  readonly permissions: Permissions;
}

/**
 * A token of GitHub's that the operator gave can do what it can do: it cannot be narrowed here, so a job whose permissions are
 * all `none` does not get it, and one that asked for less than the token has gets it whole.
 */
export function jobToken({ run, planned, calls }: WorkflowRun, job: Job): JobToken {
  const permissions = effectivePermissions([...calls, { workflow: planned.workflow, job }]);
  const given = run.settings.secrets["GITHUB_TOKEN"];
  const { metadata: _always, ...asked } = permissions;
  const mayUse = Object.values(asked).some((level) => level !== "none");
  return { token: given !== undefined && mayUse ? given : run.ownToken, permissions };
}
