/**
 * Facts of the repository a run is started from, by the git command. Read only; the user's repository may be in any state:
 * no commit yet, a detached HEAD, a merge in progress, a linked worktree, or no git at all.
 * It is on the path of every `hearth run`: five git processes at once, none of which reads the working tree.
 */
import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { git, splitNul } from "./git.ts";
import { localName, parseRemoteUrl } from "./remote-url.ts";

export interface Repository {
  /** Top of the working tree, without symbolic links; the directory itself where there is no git. */
  readonly root: string;
  readonly isGit: boolean;
  /** Undefined before the first commit. */
  readonly headSha: string | undefined;
  /**
   * What a run of this working tree has as its ref: the branch that is checked out; else, HEAD being detached, the first
   * tag that points to it, else the default branch. Fully formed.
   */
  readonly ref: string;
  /** Of `origin`, where it is known; else `main` or `master`, whichever there is; else the branch that is checked out. */
  readonly defaultBranch: string;
  /** From the address of `origin`; else `local` and the directory's name. */
  readonly owner: string;
  readonly name: string;
  readonly remoteUrl: string | undefined;
  readonly headCommitMessage: string;
}

/** Throws `EngineError` GIT_FAILED when there is a `.git` that git does not accept (broken, or owned by somebody else). */
export async function describeRepository(directory: string): Promise<Repository> {
  const start = await realpath(directory);
  const root = findRoot(start);
  if (root === undefined) return withoutGit(start);

  const [toplevel, config, refs, headObject, symbolicHead] = await Promise.all([
    git(["rev-parse", "--show-toplevel"], { cwd: root }),
    git(["config", "-z", "--get", "remote.origin.url"], { cwd: root, answers: [1] }),
    git(["for-each-ref", "--format=%(refname) %(symref)", "--", ...DEFAULT_BRANCH_REFS], { cwd: root }),
    git(["cat-file", "--batch"], { cwd: root, input: "HEAD\n" }),
    git(["symbolic-ref", "--quiet", "HEAD"], { cwd: root, answers: [1] }),
  ]);
  // `core.worktree` of a repository somebody else made could otherwise have us read, and serve, all of a home directory.
  if (toplevel.toString().replace(/\n$/, "") !== root) {
    throw new EngineError("GIT_FAILED", `Cannot use the repository at ${root}: its working tree is elsewhere`, {
      hint: "A `core.worktree` that leads away from the directory of `.git` is not supported.",
    });
  }

  const [remoteUrl] = splitNul(config);
  // Empty when HEAD is detached; there also before the first commit.
  const ref = symbolicHead.toString().trim();
  const branch = ref === "" ? undefined : ref.replace(/^refs\/heads\//, "");
  const defaultBranch = chooseDefaultBranch(refs.toString(), branch);
  return {
    root,
    isGit: true,
    headSha: /^(?<sha>[0-9a-f]+) commit /.exec(headObject.toString())?.groups?.["sha"],
    ref: ref === "" ? await refOfDetachedHead(root, defaultBranch) : ref,
    defaultBranch,
    ...((remoteUrl === undefined ? undefined : parseRemoteUrl(remoteUrl)) ?? localName(basename(root))),
    remoteUrl,
    headCommitMessage: messageOf(headObject.toString()),
  };
}

/** A directory taken by itself, whatever repository it may be in: as one that has no git. */
export async function describeDirectory(directory: string): Promise<Repository> {
  return withoutGit(await realpath(directory));
}

/** The nearest directory upward that has a `.git`. Looked for here, since git reports "none" and "broken" the same way. */
function findRoot(directory: string): string | undefined {
  for (let at = directory; ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at;
    if (dirname(at) === at) return undefined;
  }
}

function withoutGit(root: string): Repository {
  return {
    root,
    isGit: false,
    headSha: undefined,
    ref: "refs/heads/main",
    defaultBranch: "main",
    ...localName(basename(root)),
    remoteUrl: undefined,
    headCommitMessage: "",
  };
}

const DEFAULT_BRANCH_REFS = ["refs/remotes/origin/HEAD", "refs/heads/main", "refs/heads/master"];

function chooseDefaultBranch(refs: string, current: string | undefined): string {
  const origin = /^refs\/remotes\/origin\/HEAD refs\/remotes\/origin\/(?<branch>.+)$/m.exec(refs)?.groups?.["branch"];
  const usual = ["main", "master"].find((name) => new RegExp(`^refs/heads/${name} `, "m").test(refs));
  return origin ?? usual ?? current ?? "main";
}

async function refOfDetachedHead(root: string, defaultBranch: string): Promise<string> {
  const tags = await git(["for-each-ref", "--points-at=HEAD", "--format=%(refname)", "--count=1", "--", "refs/tags"], {
    cwd: root,
  });
  return tags.toString().trim() || `refs/heads/${defaultBranch}`;
}

/** From what `cat-file --batch` printed: its own line, the commit's headers, an empty line, the message. */
function messageOf(batch: string): string {
  const start = batch.indexOf("\n\n");
  return start === -1 ? "" : batch.slice(start + 2).trimEnd();
}
