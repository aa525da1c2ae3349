/**
 * Objects as GitHub's API shows them, made from little: the payloads' shapes of `plan/` with what the API has beside them.
 * All addresses in them are GitHub's; `api-address.ts` makes those of the API lead here when an answer is sent.
 */
import { userObject } from "../plan/payload-repository.ts";
import { repositoryObject } from "../plan/payload-repository.ts";
import type { Subject } from "../plan/payload-subject.ts";
import { isObject } from "./api-body.ts";
import type { ApiCall, ApiRepository } from "./api-call.ts";
import type { JsonObject } from "./api-message.ts";

/** Who a job's token writes as. */
export const BOT: JsonObject = { ...userObject("github-actions[bot]"), id: 41_898_282, type: "Bot" };

export function apiOf({ owner, name }: Pick<ApiRepository, "owner" | "name">): string {
  return `https://api.github.com/repos/${owner}/${name}`;
}

export function htmlOf({ owner, name }: Pick<ApiRepository, "owner" | "name">): string {
  return `https://github.com/${owner}/${name}`;
}

/** `api-node-id.ts` reads them back. */
export function nodeId(prefix: string, id: number): string {
  return `${prefix}_${id.toString(36)}`;
}

/** For the shapes of `plan/`: what happens through the API happens now, by the run's actor. */
function subjectOf({ claims, repository, world }: Pick<ApiCall, "claims" | "repository" | "world">): Subject {
  const { owner, name, defaultBranch } = repository;
  const time = world.run.startedAt;
  const person = { name: claims.actor, email: `${claims.actor}@users.noreply.github.com`, date: time };
  return {
    facts: { owner, name, defaultBranch, ref: claims.ref, headSha: claims.sha, headCommitMessage: "" },
    actor: claims.actor,
    commit: { sha: claims.sha, tree: "0".repeat(40), message: "", author: person, committer: person },
    time,
  };
}

/** What the event says of the run's own repository counts; `permissions` are those of a token that may write contents. */
export function repositoryShape(call: Pick<ApiCall, "claims" | "repository" | "world">): JsonObject {
  const { repository, claims, world } = call;
  const made: JsonObject = repositoryObject(subjectOf(call));
  const mayPush = repository.isOwn && claims.permissions["contents"] === "write";
  const told = repository.isOwn ? world.payload["repository"] : undefined;
  return {
    ...made,
    ...(isObject(told) && told["full_name"] === made["full_name"] ? told : {}),
    ...(repository.isOwn ? { id: Number(claims.repository.id), owner: ownerShape(call, made) } : {}),
    default_branch: repository.defaultBranch,
    created_at: made["created_at"],
    pushed_at: made["pushed_at"],
    permissions: { admin: false, maintain: false, push: mayPush, triage: false, pull: true },
    allow_squash_merge: true,
    allow_merge_commit: true,
    allow_rebase_merge: true,
    allow_auto_merge: false,
    delete_branch_on_merge: false,
    temp_clone_token: "",
    network_count: 0,
    subscribers_count: 0,
  };
}

/** With the ids that the `github` context shows. */
function ownerShape({ claims }: Pick<ApiCall, "claims">, { owner }: JsonObject): JsonObject {
  return { ...(isObject(owner) ? owner : {}), id: Number(claims.repository.ownerId) };
}
