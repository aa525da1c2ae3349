/**
 * What a job's token may do. A file says it for the workflow or for a job (`permissions:`); what neither says is the
 * repository's setting, for which we take the one that GitHub gives new repositories: reading contents and packages.
 * A workflow that is called can only narrow what its caller's job has, so the permissions of a job follow from the
 * chain of calls that leads to it. Pure. Source: GitHub "Workflow syntax", `permissions`; "Reuse workflows".
 */
import { StringToken, type TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import { entriesOf, textOf } from "./token-access.ts";

/** Rising: `write` includes `read`. */
export type PermissionLevel = "none" | "read" | "write";

/** Every scope that GitHub knows is there, in the order of `PERMISSION_SCOPES`. */
export type Permissions = { readonly [scope: string]: PermissionLevel };

/** In the order in which GitHub's messages name them. */
export const PERMISSION_SCOPES: readonly string[] = [
  "actions",
  "artifact-metadata",
  "attestations",
  "checks",
  "code-quality",
  "contents",
  "copilot-requests",
  "deployments",
  "discussions",
  "drives",
  "issues",
  "packages",
  "pages",
  "pull-requests",
  "repository-projects",
  "statuses",
  "security-events",
  "id-token",
  "models",
  "vulnerability-alerts",
];

/** What holds where no file says anything: the two settings that a repository on GitHub may have. */
export type DefaultPermissions = "restricted" | "permissive";

/** What a job and the workflow that holds it say; undefined where they say nothing. */
export interface PermissionsLink {
  readonly workflow: { readonly permissions: Permissions | undefined };
  readonly job: { readonly permissions: Permissions | undefined };
}

/**
 * Of the job at the end of a chain of calls, which begins with a job of the workflow that the event started. Every token
 * can read metadata, so `metadata: read` is always there, last, although no file may name it.
 */
export function effectivePermissions(
  chain: readonly PermissionsLink[],
  byDefault: DefaultPermissions = "restricted",
): Permissions {
  const last = chain.reduce((allowed, { workflow, job }, depth) => {
    const asked = job.permissions ?? workflow.permissions ?? allowed;
    return depth === 0 ? asked : narrow(asked, allowed); // only a file that is not called may go beyond the default
  }, defaultPermissions(byDefault));
  return { ...last, metadata: "read" };
}

/** No token can ask for an identity by default, not even where the setting is permissive. */
function defaultPermissions(byDefault: DefaultPermissions): Permissions {
  if (byDefault === "permissive") return { ...permissionsOfAll("write"), "id-token": "none" };
  return { ...permissionsOfAll("none"), contents: "read", packages: "read" };
}

/** `token` has passed the schema: a mapping of known scopes to levels, `read-all` or `write-all`. */
export function convertPermissions(token: TemplateToken | undefined): Permissions | undefined {
  if (token === undefined) return undefined;
  if (token instanceof StringToken) return permissionsOfAll(token.value === "write-all" ? "write" : "read");
  const levels = new Map(entriesOf(token).map(({ name, value }) => [name, textOf(value)]));
  return permissionsOf((scope) => levelOf(levels.get(scope)));
}

interface PermissionExcess {
  readonly scope: string;
  readonly asked: PermissionLevel;
  readonly allowed: PermissionLevel;
}

/** What is asked for beyond what is allowed, in the order of the scopes. */
export function excessPermissions(asked: Permissions, allowed: Permissions): readonly PermissionExcess[] {
  return PERMISSION_SCOPES.map((scope) => ({
    scope,
    asked: levelOf(asked[scope]),
    allowed: levelOf(allowed[scope]),
  })).filter((it) => RANK[it.asked] > RANK[it.allowed]);
}

const RANK: { readonly [level in PermissionLevel]: number } = { none: 0, read: 1, write: 2 };

/** `models` and `vulnerability-alerts` can only be read; requests to Copilot only be written. */
function permissionsOfAll(level: PermissionLevel): Permissions {
  return permissionsOf((scope) => {
    if (scope === "copilot-requests") return level === "write" ? "write" : "none";
    return level === "write" && (scope === "models" || scope === "vulnerability-alerts") ? "read" : level;
  });
}

function narrow(asked: Permissions, allowed: Permissions): Permissions {
  return permissionsOf((scope) => {
    const [wanted, most] = [levelOf(asked[scope]), levelOf(allowed[scope])];
    return RANK[wanted] > RANK[most] ? most : wanted;
  });
}

function permissionsOf(level: (scope: string) => PermissionLevel): Permissions {
  return Object.fromEntries(PERMISSION_SCOPES.map((scope) => [scope, level(scope)]));
}

function levelOf(text: string | undefined): PermissionLevel {
  return text === "read" || text === "write" ? text : "none";
}
