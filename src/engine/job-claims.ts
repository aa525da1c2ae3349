/** What the services are told of a job: who it is and what it may do, as the host knows it (ACTIONS-CONTRACT §1.4, §5.7). Pure. */
import { githubContext } from "../context/github-context.ts";
import { member } from "../context/mapping.ts";
import { toText } from "../expression/evaluate.ts";
import type { Event } from "../plan/event.ts";
import type { Plan, WorkflowOrigin } from "../plan/plan.ts";
import type { JobClaims } from "../service/services.ts";
import type { JobInstance, RunIdentity } from "./job-run.ts";
import type { JobToken } from "./job-token.ts";

/** What is over its time limit may still run its `always()` steps and its posts; tokens that end before them would fail them. */
const AFTER_TIME_LIMIT_MS = 3600_000;

interface JobPlace {
  readonly run: { readonly plan: Pick<Plan, "event" | "workflow">; readonly identity: RunIdentity };
  readonly origin: WorkflowOrigin;
}

interface JobDecisions extends JobToken {
  readonly trusted: boolean;
  readonly environment: string;
  readonly timeoutMinutes: number;
}

export function jobClaims(
  { run, origin }: JobPlace,
  { key }: Pick<JobInstance, "key">,
  { trusted, environment, timeoutMinutes, token, permissions }: JobDecisions,
): JobClaims {
  const { event, workflow } = run.plan;
  const github = githubContext({ event, workflow, run: run.identity });
  const text = (name: string): string => toText(member(github, name) ?? null);
  return {
    runId: run.identity.id,
    runNumber: run.identity.number,
    runAttempt: run.identity.attempt,
    job: key,
    repository: { ...event.repository, id: text("repository_id"), ownerId: text("repository_owner_id") },
    event: event.name,
    ref: event.ref,
    sha: event.sha,
    headRef: event.headRef,
    baseRef: event.baseRef,
    actor: event.actor,
    actorId: text("actor_id"),
    workflow: { name: text("workflow"), ref: text("workflow_ref"), sha: text("workflow_sha") },
    jobWorkflow: { ref: `${origin.repository}/${origin.path}@${origin.ref}`, sha: origin.sha },
    environment,
    permissions,
    token,
    trusted: trusted && !isFromFork(event),
    lifetimeMs: timeoutMinutes * 60_000 + AFTER_TIME_LIMIT_MS,
  };
}

/** A pull request whose commits are another repository's: anybody can open one. */
function isFromFork({ payload, repository }: Event): boolean {
  const head = member(member(payload["pull_request"], "head"), "repo");
  if (head === undefined) return false;
  // The repository of a fork that was deleted is null.
  return (
    toText(member(head, "full_name") ?? null).toLowerCase() !== `${repository.owner}/${repository.name}`.toLowerCase()
  );
}
