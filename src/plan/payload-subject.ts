/** What all objects of one payload are made from: the repository, who does what happens, the commit and its time. */
import { stableId } from "../context/stable-id.ts";
import type { Value } from "../expression/template.ts";
import { ZERO_SHA } from "./event-revision.ts";
import type { Commit, RepositoryFacts } from "./repository-facts.ts";

export type Fields = { readonly [key: string]: Value };

export interface Subject {
  readonly facts: RepositoryFacts;
  /** Login of whoever does what happens. */
  readonly actor: string;
  readonly commit: Commit;
  /** UTC, in GitHub's form: when everything of the payload happened, which is the time of the last commit. */
  readonly time: string;
}

export function subjectOf(facts: RepositoryFacts, actor: string): Subject {
  const commit = facts.history?.commits.at(-1) ?? unknownCommit(facts, actor);
  return { facts, actor, commit, time: utc(commit.committer.date) };
}

/** Numbers that GitHub gives out are made from names. */
export function identity(prefix: string, name: string): { readonly id: number; readonly node_id: string } {
  const id = stableId(name);
  return { id, node_id: `${prefix}_${id.toString(36)}` };
}

export function htmlOf({ facts }: Subject): string {
  return `https://github.com/${facts.owner}/${facts.name}`;
}

export function apiOf({ facts }: Subject): string {
  return `https://api.github.com/repos/${facts.owner}/${facts.name}`;
}

/** Before the first commit, and where git was not asked. */
function unknownCommit({ headSha, headCommitMessage }: RepositoryFacts, actor: string): Commit {
  const person = { name: actor, email: `${actor}@users.noreply.github.com`, date: "1970-01-01T00:00:00Z" };
  return {
    sha: headSha ?? ZERO_SHA,
    tree: ZERO_SHA,
    message: headCommitMessage,
    author: person,
    committer: person,
  };
}

/** Pure: an ISO 8601 time with an offset to GitHub's form of it. */
function utc(date: string): string {
  const time = new Date(date);
  return Number.isNaN(time.getTime()) ? date : time.toISOString().replace(/\.\d+Z$/u, "Z");
}
