/** The token of a job and what it may do: `github.token`, `secrets.GITHUB_TOKEN` (ACTIONS-CONTRACT §1.1, §1.4). */
import { effectivePermissions } from "../workflow/permissions.ts";
import type { Permissions } from "../workflow/permissions.ts";
import type { Job } from "../workflow/workflow.ts";
import { tokenForms } from "./token-forms.ts";
import type { WorkflowRun } from "./workflow-run.ts";

export interface JobToken {
  readonly token: string;
  readonly permissions: Permissions;
}

/**
 * Made for this job and hidden in logs from here on, so it is asked for once; the services know the job by it until it ends.
 * A token of GitHub's that the operator gave can do what it can do: it cannot be narrowed here, so a job whose permissions are
 * all `none` does not get it, and one that asked for less than the token has gets it whole.
 */
export function jobToken(workflow: WorkflowRun, job: Job): JobToken {
  const { masker, dependencies } = workflow.run;
  const permissions = permissionsOf(workflow, job);
  const token = givenToken(workflow, permissions) ?? `hearth_${dependencies.newId()}`;
  for (const form of tokenForms(token)) masker.add(form);
  return { token, permissions };
}

/** What a job that calls a workflow passes on as its token: it has none of its own, and `ownTokenFor` puts another in its place. */
export function passedToken(workflow: WorkflowRun, job: Job): string {
  return givenToken(workflow, permissionsOf(workflow, job)) ?? workflow.run.passedToken;
}

/** Secrets that were passed on as a job reads them: a token in them is its own, with its own permissions, as on GitHub. */
export function ownTokenFor(
  secrets: { readonly [name: string]: string },
  { run }: Pick<WorkflowRun, "run">,
  { token }: JobToken,
): { readonly [name: string]: string } {
  const own = Object.entries(secrets).map(([name, value]) => [name, value.replaceAll(run.passedToken, token)]);
  return Object.fromEntries(own);
}

function permissionsOf({ run, planned, calls }: WorkflowRun, job: Job): Permissions {
  const asked = effectivePermissions([...calls, { workflow: planned.workflow, job }]);
  return run.settings.trusted ? asked : readOnly(asked);
}

function givenToken({ run }: WorkflowRun, { metadata: _always, ...others }: Permissions): string | undefined {
  const mayUse = Object.values(others).some((level) => level !== "none");
  return mayUse ? run.settings.secrets["GITHUB_TOKEN"] : undefined;
}

/** What a stranger's job may do, whatever its file asks for: an identity cannot be read, so there is none. */
function readOnly(permissions: Permissions): Permissions {
  const levels = Object.entries(permissions).map(([scope, level]) => {
    return [scope, scope === "id-token" ? "none" : level === "write" ? "read" : level] as const;
  });
  return Object.fromEntries(levels);
}
