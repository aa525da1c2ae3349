/** What is known of the repository that an event is of; `git/` finds it out, and planning reads nothing else of git. */

export interface RepositoryFacts {
  readonly owner: string;
  readonly name: string;
  readonly defaultBranch: string;
  /** What is checked out, fully formed. */
  readonly ref: string;
  /** The commit that stands for the working tree; undefined before the first one. */
  readonly headSha: string | undefined;
  readonly headCommitMessage: string;
  /** Undefined where git was not asked. */
  readonly history?: History | undefined;
}

export interface History {
  /** What the event's commits come after: the last push, or where the pull request began. Undefined: nothing is known before them. */
  readonly base: string | undefined;
  /** Oldest first; the last is that of the working tree. */
  readonly commits: readonly Commit[];
  /** Commit of each branch and tag that was asked for and exists, by its full name; those of origin are under `refs/remotes/origin/`. */
  readonly tips: { readonly [ref: string]: string };
  /** The first tag at HEAD, without `refs/tags/`. */
  readonly tag: string | undefined;
}

/** The commits an event is about, for the paths that they change. */
export interface CommitRange {
  /** Undefined: the first parent of `to`, else everything is new. */
  readonly from: string | undefined;
  /** Undefined: the working tree, with what is not committed. */
  readonly to: string | undefined;
  /** Of a pull request: since where the two parted. */
  readonly sinceMergeBase: boolean;
}

export interface Commit {
  readonly sha: string;
  readonly tree: string;
  readonly message: string;
  readonly author: Person;
  readonly committer: Person;
}

interface Person {
  readonly name: string;
  readonly email: string;
  /** ISO 8601 with its offset from UTC. */
  readonly date: string;
}

/** The same history where uncommitted changes are part of the last commit, as the working tree's own commit has them. */
export function withWorkingTree(
  history: History | undefined,
  workingTree: { readonly sha: string; readonly tree: string },
): History | undefined {
  const last = history?.commits.at(-1);
  if (history === undefined || last === undefined) return history;
  const commit = { ...last, sha: workingTree.sha, tree: workingTree.tree };
  return { ...history, commits: [...history.commits.slice(0, -1), commit] };
}
