/**
 * The `GITHUB_*` and `RUNNER_*` variables that every step gets, late, so that they win over what the workflow says.
 * The names are GitHub's list: `token`, `event`, `repositoryUrl`, `secret_source` and `action_status` are not among them.
 * Source: ACTIONS-CONTRACT §1.1 layer 7 and §1.2.
 */
import { toText } from "../expression/coerce.ts";
import type { ObjectValue } from "../expression/ordered-object.ts";
import { entriesOf } from "./mapping.ts";

export interface Variables {
  readonly [name: string]: string;
}

const EXPORTED_MEMBERS: ReadonlySet<string> = new Set([
  "action",
  "action_path",
  "action_ref",
  "action_repository",
  "actor",
  "actor_id",
  "api_url",
  "artifacts",
  "artifacts_list",
  "base_ref",
  "env",
  "event_name",
  "event_path",
  "graphql_url",
  "head_ref",
  "job",
  "output",
  "path",
  "ref",
  "ref_name",
  "ref_protected",
  "ref_type",
  "repository",
  "repository_id",
  "repository_owner",
  "repository_owner_id",
  "retention_days",
  "run_attempt",
  "run_id",
  "run_number",
  "server_url",
  "sha",
  "state",
  "step_summary",
  "triggering_actor",
  "workflow",
  "workflow_ref",
  "workflow_sha",
  "workspace",
]);

/** Members that the context does not have make no variable; `ref_protected` reads `true` or `false`. */
export function githubVariables(github: ObjectValue): Variables {
  return prefixed("GITHUB_", github, (name) => EXPORTED_MEMBERS.has(name));
}

/** Every member of the `runner` context. */
export function runnerVariables(runner: ObjectValue): Variables {
  return prefixed("RUNNER_", runner, () => true);
}

function prefixed(prefix: string, context: ObjectValue, isExported: (name: string) => boolean): Variables {
  const exported = entriesOf(context).filter(([name, value]) => isExported(name) && typeof value !== "object");
  return Object.fromEntries(exported.map(([name, value]) => [`${prefix}${name.toUpperCase()}`, toText(value)]));
}
