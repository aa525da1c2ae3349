/**
 * An event of the repository as it is now, for runs from the command line: what GitHub would say had this working tree been
 * pushed, opened as a pull request, dispatched. A payload that the user gives is taken as it is; what it says of commit, ref
 * and branches counts. Source: ACTIONS-CONTRACT §7.2.
 */
import { isMapping, member } from "../context/mapping.ts";
import { toText } from "../expression/evaluate.ts";
import type { Value } from "../expression/template.ts";
import type { Event } from "./event.ts";

/** What is known of the repository; `git/repository.ts` finds it out. */
export interface RepositoryFacts {
  readonly owner: string;
  readonly name: string;
  readonly defaultBranch: string;
  readonly ref: string;
  readonly headSha: string | undefined;
  readonly headCommitMessage: string;
}

export interface EventRequest {
  readonly name: string;
  /** Undefined: made here. */
  readonly payload: { readonly [key: string]: Value } | undefined;
  readonly inputs: { readonly [name: string]: string };
  readonly actor: string;
  readonly changedFiles: readonly string[] | undefined;
}

/** GitHub's sha of nothing: before the first commit, and as `before` of a new branch. */
const ZERO_SHA = "0".repeat(40);
/** A run that is not for a pull request of GitHub still needs a number. */
const LOCAL_PULL_REQUEST = 1;

export function makeEvent(repository: RepositoryFacts, request: EventRequest): Event {
  const { owner, name, defaultBranch } = repository;
  const sha = repository.headSha ?? ZERO_SHA;
  const payload = request.payload ?? makePayload(repository, request, sha);
  const base = {
    name: request.name,
    payload,
    actor: textOf(member(payload["sender"], "login")) ?? request.actor,
    repository: { owner, name, defaultBranch },
    changedFiles: request.changedFiles,
    headCommitMessage: textOf(member(payload["head_commit"], "message")) ?? repository.headCommitMessage,
  };
  const pullRequest = payload["pull_request"];
  if (isMapping(pullRequest)) {
    const baseRef = textOf(member(member(pullRequest, "base"), "ref")) ?? defaultBranch;
    const headRef = textOf(member(member(pullRequest, "head"), "ref")) ?? shortRef(repository.ref);
    const number = textOf(payload["number"] ?? member(pullRequest, "number")) ?? String(LOCAL_PULL_REQUEST);
    const mergeRef = { ref: `refs/pull/${number}/merge`, baseRef, headRef };
    // `pull_request_target` runs what the default branch says, whatever the head is.
    return request.name === "pull_request_target"
      ? { ...base, sha, ref: `refs/heads/${defaultBranch}`, baseRef, headRef }
      : { ...base, sha, ...mergeRef };
  }
  const ref = textOf(payload["ref"]);
  return {
    ...base,
    sha: textOf(payload["after"]) ?? sha,
    ref: ref?.startsWith("refs/") === true ? ref : repository.ref,
    baseRef: "",
    headRef: "",
  };
}

function makePayload(
  repository: RepositoryFacts,
  request: EventRequest,
  sha: string,
): { readonly [key: string]: Value } {
  const { owner, name, defaultBranch, ref } = repository;
  const htmlUrl = `https://github.com/${owner}/${name}`;
  const shared = {
    repository: {
      name,
      full_name: `${owner}/${name}`,
      owner: { login: owner, type: "User" },
      default_branch: defaultBranch,
      html_url: htmlUrl,
      clone_url: `${htmlUrl}.git`,
      private: false,
      fork: false,
    },
    sender: { login: request.actor, type: "User" },
  };
  switch (request.name) {
    case "push": {
      const commit = { id: sha, message: repository.headCommitMessage, author: { name: request.actor } };
      return {
        ref,
        before: ZERO_SHA,
        after: sha,
        created: false,
        deleted: false,
        forced: false,
        base_ref: null,
        commits: [commit],
        head_commit: commit,
        pusher: { name: request.actor },
        ...shared,
      };
    }
    case "pull_request":
    case "pull_request_target": {
      const side = (branch: string): Value => ({
        ref: branch,
        sha,
        label: `${owner}:${branch}`,
        repo: shared.repository,
      });
      return {
        action: "synchronize",
        number: LOCAL_PULL_REQUEST,
        pull_request: {
          number: LOCAL_PULL_REQUEST,
          title: repository.headCommitMessage.split("\n", 1)[0] ?? "",
          body: null,
          draft: false,
          merged: false,
          labels: [],
          user: { login: request.actor },
          head: side(shortRef(ref)),
          base: side(defaultBranch),
        },
        ...shared,
      };
    }
    case "workflow_dispatch":
      return { ref, inputs: { ...request.inputs }, ...shared };
    default:
      return shared;
  }
}

function shortRef(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags)\//, "");
}

function textOf(value: Value | undefined): string | undefined {
  return typeof value === "string" || typeof value === "number" ? toText(value) : undefined;
}
