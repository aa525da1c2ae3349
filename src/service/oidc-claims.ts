/**
 * What an identity token says of a job: GitHub's claims, from what the host knows of it. Pure.
 * Source: ACTIONS-CONTRACT §5.7; GitHub "OpenID Connect reference".
 */
import type { JobClaims } from "./services.ts";

const SERVER = "https://github.com";
/** Whoever a token is given to does not need long to look at it. GitHub's figures. */
const LIFETIME_S = 300;
const BEFORE_S = 600;

export interface IdentityRequest {
  readonly issuer: string;
  /** Undefined: the owner's address, as on GitHub. */
  readonly audience: string | undefined;
  readonly tokenId: string;
  readonly issuedAtS: number;
}

export function identityClaims(
  job: JobClaims,
  { issuer, audience, tokenId, issuedAtS }: IdentityRequest,
): { readonly [claim: string]: string | number } {
  const { repository, workflow, jobWorkflow, environment } = job;
  return {
    jti: tokenId,
    iss: issuer,
    aud: audience ?? `${SERVER}/${repository.owner}`,
    sub: subjectOf(job),
    iat: issuedAtS,
    nbf: issuedAtS - BEFORE_S,
    exp: issuedAtS + LIFETIME_S,
    actor: job.actor,
    actor_id: job.actorId,
    event_name: job.event,
    ref: job.ref,
    ref_type: job.ref.startsWith("refs/tags/") ? "tag" : "branch",
    // Nothing here protects a branch, and a wrong yes would be believed.
    ref_protected: "false",
    head_ref: job.headRef,
    base_ref: job.baseRef,
    sha: job.sha,
    repository: `${repository.owner}/${repository.name}`,
    repository_id: repository.id,
    repository_owner: repository.owner,
    repository_owner_id: repository.ownerId,
    repository_visibility: "private",
    run_id: job.runId,
    run_number: String(job.runNumber),
    run_attempt: String(job.runAttempt),
    runner_environment: "self-hosted",
    workflow: workflow.name,
    workflow_ref: workflow.ref,
    workflow_sha: workflow.sha,
    job_workflow_ref: jobWorkflow.ref,
    job_workflow_sha: jobWorkflow.sha,
    ...(environment === "" ? {} : { environment }),
  };
}

/** What trust policies look at. A name with a colon in it must not pass for another part (`%3A`). */
function subjectOf({ repository, environment, event, ref }: JobClaims): string {
  const of = `repo:${escaped(repository.owner)}/${escaped(repository.name)}`;
  if (environment !== "") return `${of}:environment:${escaped(environment)}`;
  return event === "pull_request" ? `${of}:pull_request` : `${of}:ref:${escaped(ref)}`;
}

function escaped(text: string): string {
  return text.replaceAll(":", "%3A");
}
