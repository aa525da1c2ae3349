/**
 * The `github` context, from what the host knows: the event and the workflow always, the run once it has a number, the job and
 * the step while they run. Members that are not known yet are missing and so read as null. Every scalar but `ref_protected` is
 * a string, as on GitHub. `server_url` stays GitHub's own: actions read it to decide which services they talk to. The addresses
 * of the API are where the job reaches it.
 * Source: ACTIONS-CONTRACT §1.2, §1.4 and §5.0.
 */
import type { ObjectValue } from "../expression/ordered-object.ts";
import type { Value } from "../expression/template.ts";
import { mappingOf, member } from "./mapping.ts";
import { stableId } from "./stable-id.ts";

export interface GithubContextInput {
  readonly event: {
    readonly name: string;
    readonly payload: { readonly [key: string]: Value };
    readonly sha: string;
    readonly ref: string;
    readonly baseRef: string;
    readonly headRef: string;
    readonly actor: string;
    readonly repository: { readonly owner: string; readonly name: string };
  };
  readonly workflow: { readonly path: string; readonly name: string | undefined };
  /** Undefined while planning. `id` is in decimal and within JavaScript's safe integers: actions parse it. */
  readonly run?: { readonly id: string; readonly number: number; readonly attempt: number } | undefined;
  readonly job?: GithubJob | undefined;
  readonly step?: GithubStep | undefined;
}

/** Paths are those inside the machine. */
export interface GithubJob {
  readonly id: string;
  readonly token: string;
  readonly workspace: string;
  readonly eventPath: string;
  /** Where the job reaches the REST API, as a GitHub Enterprise server has it; undefined: GitHub's own. */
  readonly apiUrl: string | undefined;
}

export interface GithubStep {
  /** The step's id, generated or given. */
  readonly action: string;
  /** Inside a composite action only: its directory, and how its own steps have fared so far. */
  readonly actionPath?: string | undefined;
  readonly actionStatus?: "success" | "failure" | "cancelled" | undefined;
  /** Of a remote action; empty for `run`, local and docker steps. */
  readonly actionRepository: string;
  readonly actionRef: string;
  /** The files of this step that GITHUB_ENV, _OUTPUT, _PATH, _STATE and _STEP_SUMMARY name; undefined before it has a process. */
  readonly files: StepFiles | undefined;
}

export interface StepFiles {
  readonly env: string;
  readonly output: string;
  readonly path: string;
  readonly state: string;
  readonly stepSummary: string;
}

export function githubContext({ event, workflow, run, job, step }: GithubContextInput): ObjectValue {
  const { owner, name } = event.repository;
  const repository = `${owner}/${name}`;
  return mappingOf([
    ["token", job?.token],
    ["job", job?.id],
    ["ref", event.ref],
    ["sha", event.sha],
    ["repository", repository],
    ["repository_owner", owner],
    ["repository_owner_id", idOf(member(event.payload["repository"], "owner"), owner)],
    ["repositoryUrl", `git://github.com/${repository}.git`],
    ["run_id", run?.id],
    ["run_number", run && String(run.number)],
    ["retention_days", "90"],
    ["run_attempt", run && String(run.attempt)],
    ["repository_id", idOf(event.payload["repository"], repository)],
    ["actor_id", actorIdOf(event)],
    ["actor", event.actor],
    ["triggering_actor", event.actor],
    ["workflow", workflow.name ?? workflow.path],
    ["head_ref", event.headRef],
    ["base_ref", event.baseRef],
    ["event_name", event.name],
    ["server_url", "https://github.com"],
    ...apiAddresses(job?.apiUrl),
    ["ref_name", event.ref.replace(/^refs\/(?:heads|tags|pull)\//u, "")],
    ["ref_protected", false],
    ["ref_type", event.ref.startsWith("refs/tags/") ? "tag" : "branch"],
    ["secret_source", "Actions"],
    ["event", event.payload],
    ["workflow_ref", `${repository}/${workflow.path}@${event.ref}`],
    ["workflow_sha", event.sha],
    ["workspace", job?.workspace],
    ["event_path", job?.eventPath],
    ["action", step?.action],
    ["action_repository", step?.actionRepository],
    ["action_ref", step?.actionRef],
    ["action_path", step?.actionPath],
    ["action_status", step?.actionStatus],
    ["env", step?.files?.env],
    ["output", step?.files?.output],
    ["path", step?.files?.path],
    ["state", step?.files?.state],
    ["step_summary", step?.files?.stepSummary],
  ]);
}

/** GraphQL has an address of its own beside REST, in GitHub's way or in that of an Enterprise server. */
function apiAddresses(apiUrl = "https://api.github.com"): readonly (readonly [string, string])[] {
  return [
    ["api_url", apiUrl],
    ["graphql_url", `${apiUrl.replace(/\/v3$/u, "")}/graphql`],
  ];
}

/** Members that have no value while planning: an expression that reads one cannot be decided before the run. */
export const GITHUB_MEMBERS_OF_A_RUN: readonly string[] = ["run_id", "run_number", "run_attempt"];

function actorIdOf(event: GithubContextInput["event"]): string {
  const sender = event.payload["sender"];
  return member(sender, "login") === event.actor ? idOf(sender, event.actor) : String(stableId(event.actor));
}

/** The id that the payload gives, else one made from the name. */
function idOf(payloadObject: Value | undefined, name: string): string {
  const id = member(payloadObject, "id");
  return typeof id === "number" && Number.isSafeInteger(id) ? String(id) : String(stableId(name));
}
