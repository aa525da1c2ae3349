/**
 * Which commit and ref a run has: GITHUB_SHA, GITHUB_REF, GITHUB_BASE_REF and GITHUB_HEAD_REF. What the payload says counts;
 * where it says nothing, what is checked out does. A commit that the repository here does not have is replaced by the working
 * tree's, except where the payload itself names it. Source: ACTIONS-CONTRACT §7.2.
 */
import { member } from "../context/mapping.ts";
import type { Value } from "../expression/template.ts";
import { unreachable } from "../lib/unreachable.ts";
import { eventRule } from "./event-rules.ts";
import { textAt } from "./payload-text.ts";
import type { CommitRange, RepositoryFacts } from "./repository-facts.ts";

export interface EventRevision {
  readonly sha: string;
  readonly ref: string;
  /** Of events about a pull request, else empty. */
  readonly baseRef: string;
  readonly headRef: string;
}

type Payload = { readonly [key: string]: Value };

/** GitHub's sha of nothing: before the first commit, as `before` of a new branch and `after` of a deleted one. */
export const ZERO_SHA = "0".repeat(40);

export function revisionOf(event: string, payload: Payload, facts: RepositoryFacts): EventRevision {
  const revision = eventRule(event)?.revision ?? "default";
  const pullRequest = payload["pull_request"];
  const refs = pullRequest === undefined ? NO_PULL_REQUEST : pullRequestRefs(pullRequest, facts);
  switch (revision) {
    case "default":
      return { ...defaultBranch(facts), ...refs };
    case "merge":
      return { ...mergeOf(payload, facts), ...refs };
    case "pushed":
      return { ...pushed(payload, facts), ...NO_PULL_REQUEST };
    case "created":
      return { ...named(payload["ref"], textAt(payload, "ref_type"), facts), ...NO_PULL_REQUEST };
    case "dispatched":
      return { ...named(payload["ref"], undefined, facts), ...NO_PULL_REQUEST };
    case "release":
      return { ...named(member(payload["release"], "tag_name"), "tag", facts), ...NO_PULL_REQUEST };
    case "deployed":
      return { ...deployed(payload["deployment"], facts), ...NO_PULL_REQUEST };
    case "merge_group":
      return { ...mergeGroup(payload["merge_group"], facts), ...NO_PULL_REQUEST };
    case "package":
      return { ...packaged(payload["registry_package"], facts), ...NO_PULL_REQUEST };
    default:
      return unreachable(revision);
  }
}

/** Full names of the refs whose commits `revisionOf` may ask for: what `History.tips` should hold. */
export function refsOf(payload: Payload): readonly string[] {
  const names = [
    textAt(payload, "ref"),
    textAt(payload, "release", "tag_name"),
    textAt(payload, "deployment", "ref"),
    textAt(payload, "pull_request", "base", "ref"),
    textAt(payload, "registry_package", "package_version", "target_commitish"),
  ].filter((name) => name !== undefined && REF_NAME.test(name) && !name.includes(".."));
  return names.flatMap((name) => candidates(name ?? "", undefined));
}

/**
 * Which commits a payload is about: of a push two-dot from `before`, of a pull request three-dot from its base. A branch that
 * is new has no `before`; GitHub then compares with what the oldest pushed commit follows. Undefined: the payload does not say.
 */
export function rangeOf(payload: Payload, headSha: string | undefined): CommitRange | undefined {
  const head = textAt(payload, "pull_request", "head", "sha");
  const base = textAt(payload, "pull_request", "base", "sha");
  const here = (sha: string): string | undefined => (sha === headSha ? undefined : sha);
  if (isCommit(head) && isCommit(base)) return { from: base, to: here(head), sinceMergeBase: true };
  const [after, before] = [textAt(payload, "after"), textAt(payload, "before")];
  if (!isCommit(after)) return undefined;
  if (isCommit(before)) return { from: before, to: here(after), sinceMergeBase: false };
  const { commits } = payload;
  const oldest = Array.isArray(commits) ? textAt(commits[0], "id") : undefined;
  return { from: isCommit(oldest) ? `${oldest}^` : undefined, to: here(after), sinceMergeBase: false };
}

/** What git takes as a name, far from all of it: these go to git as patterns. */
const REF_NAME = /^\w[\w./+@-]{0,254}$/;

type Revisioned = Pick<EventRevision, "sha" | "ref">;
type PullRequestRefs = Pick<EventRevision, "baseRef" | "headRef">;

const NO_PULL_REQUEST: PullRequestRefs = { baseRef: "", headRef: "" };

function pullRequestRefs(pullRequest: Value, facts: RepositoryFacts): PullRequestRefs {
  return {
    baseRef: textAt(pullRequest, "base", "ref") ?? facts.defaultBranch,
    headRef: textAt(pullRequest, "head", "ref") ?? shortRef(facts.ref),
  };
}

function defaultBranch(facts: RepositoryFacts): Revisioned {
  const ref = `refs/heads/${facts.defaultBranch}`;
  return { ref, sha: tipOf(ref, facts) ?? head(facts) };
}

/** Here the working tree stands for the merge: nobody else makes `refs/pull/N/merge` of it. */
function mergeOf(payload: Payload, facts: RepositoryFacts): Revisioned {
  const pullRequest = payload["pull_request"];
  if (payload["action"] === "closed" && member(pullRequest, "merged") === true) {
    return named(member(member(pullRequest, "base"), "ref") ?? facts.defaultBranch, "branch", facts);
  }
  const number = textAt(payload, "number") ?? textAt(pullRequest, "number") ?? "1";
  return { ref: `refs/pull/${number}/merge`, sha: head(facts) };
}

function pushed(payload: Payload, facts: RepositoryFacts): Revisioned {
  if (payload["deleted"] === true) return defaultBranch(facts);
  const { ref, sha } = named(payload["ref"], undefined, facts);
  const after = textAt(payload, "after");
  return { ref, sha: isCommit(after) ? after : sha };
}

function deployed(deployment: Value | undefined, facts: RepositoryFacts): Revisioned {
  const sha = textAt(deployment, "sha");
  const name = textAt(deployment, "ref");
  // A deployment of a commit has that commit as its ref.
  if (name === undefined || name === "" || isCommit(name)) return { ref: "", sha: isCommit(sha) ? sha : head(facts) };
  const { ref, sha: tip } = named(name, undefined, facts);
  return { ref, sha: isCommit(sha) ? sha : tip };
}

function mergeGroup(group: Value | undefined, facts: RepositoryFacts): Revisioned {
  const sha = textAt(group, "head_sha");
  return { ref: textAt(group, "head_ref") ?? facts.ref, sha: isCommit(sha) ? sha : head(facts) };
}

function packaged(registryPackage: Value | undefined, facts: RepositoryFacts): Revisioned {
  const version = member(registryPackage, "package_version");
  const target = textAt(version, "target_commitish");
  if (target === undefined || isCommit(target))
    return { ...defaultBranch(facts), ...(isCommit(target) && { sha: target }) };
  const { ref, sha: tip } = named(target, undefined, facts);
  const sha = textAt(version, "target_oid");
  return { ref, sha: isCommit(sha) ? sha : tip };
}

/** A full name, or a short one of that kind; without a kind the one that exists, else a branch. */
function named(name: Value | undefined, kind: string | undefined, facts: RepositoryFacts): Revisioned {
  if (typeof name !== "string" || name === "") return { ref: facts.ref, sha: head(facts) };
  const refs = candidates(name, kind);
  const ref = refs.find((candidate) => tipOf(candidate, facts) !== undefined) ?? refs[0] ?? facts.ref;
  return { ref, sha: tipOf(ref, facts) ?? head(facts) };
}

function candidates(name: string, kind: string | undefined): readonly string[] {
  if (name.startsWith("refs/")) return [name];
  if (kind === "tag") return [`refs/tags/${name}`];
  return kind === "branch" ? [`refs/heads/${name}`] : [`refs/heads/${name}`, `refs/tags/${name}`];
}

/** The branch here goes before origin's: it is what a person who works on it sees. */
function tipOf(ref: string, facts: RepositoryFacts): string | undefined {
  if (ref === facts.ref) return head(facts);
  const tips = facts.history?.tips ?? {};
  return tips[ref] ?? tips[ref.replace(/^refs\/heads\//u, "refs/remotes/origin/")];
}

function head(facts: RepositoryFacts): string {
  return facts.headSha ?? ZERO_SHA;
}

function isCommit(text: string | undefined): text is string {
  return text !== undefined && text !== ZERO_SHA && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/u.test(text);
}

export function shortRef(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags)\//u, "");
}
