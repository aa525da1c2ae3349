/** `excessive-permissions`: a token that may do more than its job needs is more to lose (SECURITY-RELIABILITY A24). */
import type { Position } from "../lib/diagnostic.ts";
import { PERMISSION_SCOPES } from "../workflow/permissions.ts";
import type { PermissionLevel, Permissions } from "../workflow/permissions.ts";
import type { Workflow } from "../workflow/workflow.ts";
import type { Draft } from "./linted.ts";
import type { SourceText } from "./source-text.ts";

export function lintPermissions({ permissions, jobs, triggers }: Workflow, source: SourceText): readonly Draft[] {
  const top: Position = { line: 1, column: 1 };
  const ofJobs = jobs.flatMap((job) =>
    judge(job.permissions, source.findKey("permissions", job.at, false), `jobs.${job.id}.permissions`),
  );
  const at = source.findKey("permissions", top, true);
  const ofAll = judge(permissions, at, "permissions");
  const written = ofAll.length > 0 || jobs.length < 2 ? [] : writeScopes(permissions);
  if (written.length > 0) {
    const message = `Every job of the workflow may write ${written.join(", ")}`;
    ofAll.push(draft("note", at, "permissions", message, "Give it to the jobs that need it"));
  }
  // Who calls a workflow gives it its permissions.
  const isOnlyCalled = triggers.every(({ event }) => event === "workflow_call");
  const undeclared = jobs.filter((job) => job.permissions === undefined);
  if (permissions === undefined && undeclared.length > 0 && !isOnlyCalled) {
    const place = source.findKey("jobs", undeclared[0]?.at ?? top, true);
    const message =
      "Without permissions: the token may do what the repository's setting says, often to write everything";
    ofAll.push(
      draft("note", place, "permissions", message, "Declare permissions: for the workflow, such as contents: read"),
    );
  }
  return [...ofAll, ...ofJobs];
}

function judge(permissions: Permissions | undefined, at: Position, key: string): Draft[] {
  const fix = "Name the scopes that are needed";
  if (isAll(permissions, "write")) return [draft("warning", at, key, "write-all lets the token write everything", fix)];
  return isAll(permissions, "read") ? [draft("note", at, key, "read-all lets the token read everything", fix)] : [];
}

function draft(severity: Draft["severity"], at: Position, key: string, message: string, fix: string): Draft {
  return { rule: "excessive-permissions", severity, at, key, message, fix };
}

/** Written as one word, or scope by scope. */
function isAll(permissions: Permissions | undefined, level: PermissionLevel): boolean {
  return permissions !== undefined && ORDINARY.every((scope) => permissions[scope] === level);
}

/** Scopes that can be both read and written. */
const ORDINARY = PERMISSION_SCOPES.filter(
  (scope) => !["copilot-requests", "models", "vulnerability-alerts"].includes(scope),
);

function writeScopes(permissions: Permissions | undefined): readonly string[] {
  return permissions === undefined ? [] : PERMISSION_SCOPES.filter((scope) => permissions[scope] === "write");
}
