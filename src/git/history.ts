/**
 * What the payloads of events tell of commits: where a push or a pull request of this working tree would begin, its commits,
 * the branches and tags an event may name. Read only; two or three git processes, one after another.
 */
import type { Commit, CommitRange, History } from "../plan/repository-facts.ts";
import { git, splitNul } from "./git.ts";
import type { Repository } from "./repository.ts";
import { uncommittedFiles } from "./uncommitted-files.ts";

/** As many as GitHub lists of one push. */
const MAX_COMMITS = 2_048;
/** With more than this, GitHub does not look at paths and starts the workflow. */
const MAX_COMMITS_WITH_PATHS = 1_000;

/** `refs`: full names of what the event may be about. Undefined where there is no commit. */
export async function readHistory(
  repository: Repository,
  event: string,
  refs: readonly string[],
): Promise<History | undefined> {
  const { root, headSha, defaultBranch } = repository;
  if (!repository.isGit || headSha === undefined) return undefined;
  const wanted = [`refs/heads/${defaultBranch}`, repository.ref, ...refs];
  const [tips, tag] = await Promise.all([
    readTips(root, [...wanted, ...wanted.map(atOrigin)]),
    event === "release" ? readTag(root) : undefined,
  ]);
  const defaultTip = tips[`refs/heads/${defaultBranch}`] ?? tips[`refs/remotes/origin/${defaultBranch}`];
  const fork = isOfPullRequest(event) ? await mergeBase(root, headSha, defaultTip) : undefined;
  const known = [fork, tips[atOrigin(repository.ref)]].find((sha) => sha !== undefined && sha !== headSha);
  if (known !== undefined) {
    const { commits } = await readCommits(root, [`--max-count=${MAX_COMMITS}`, headSha, `^${known}`]);
    if (commits.length > 0) return { base: known, commits, tips, tag };
  }
  // Nothing is new to origin, or there is none: the last commit stands for a push.
  const { commits, parent } = await readCommits(root, ["--max-count=1", headSha]);
  return { base: parent, commits, tips, tag };
}

function isOfPullRequest(event: string): boolean {
  return event.startsWith("pull_request") || event === "merge_group";
}

/** Undefined when it cannot be known: no git, a commit that is not here, or more commits than GitHub looks through. */
export async function changedFiles(repository: Repository, range: CommitRange): Promise<readonly string[] | undefined> {
  const { root, headSha } = repository;
  if (!repository.isGit) return undefined;
  const uncommitted = range.to === undefined ? await uncommittedFiles(root) : [];
  const to = range.to ?? headSha;
  if (to === undefined) return uncommitted;
  const before = range.from ?? (await namedParent(root, to));
  // In a shallow clone the parent of the last commit has a name and no content.
  if (!(await hasCommits(root, [to, ...(before === undefined ? [] : [before])]))) return undefined;
  const from = range.from !== undefined && range.sinceMergeBase ? await mergeBase(root, to, range.from) : before;
  if (from === undefined && before !== undefined) return undefined;
  if (from !== undefined && (await countCommits(root, from, to)) > MAX_COMMITS_WITH_PATHS) return undefined;
  const ends = from === undefined ? ["--root", to] : [from, to];
  const names = await git(["diff-tree", "-z", "-r", "--no-commit-id", "--no-renames", "--name-only", ...ends], {
    cwd: root,
  });
  // In the order in which GitHub takes the first of them.
  return [...new Set([...splitNul(names), ...uncommitted])].toSorted(byBytes);
}

function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function atOrigin(ref: string): string {
  return ref.replace(/^refs\/heads\//, "refs/remotes/origin/");
}

/** A tag's commit, whether the tag is an object of its own or not. */
async function readTips(root: string, refs: readonly string[]): Promise<{ [ref: string]: string }> {
  const format = "--format=%(refname) %(objectname) %(*objectname)";
  const lines = (await git(["for-each-ref", format, "--", ...new Set(refs)], { cwd: root })).toString().split("\n");
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [ref = "", object = "", peeled = ""] = line.split(" ");
      return ref === "" ? [] : [[ref, peeled === "" ? object : peeled]];
    }),
  );
}

async function readTag(root: string): Promise<string | undefined> {
  const format = ["--points-at=HEAD", "--format=%(refname:lstrip=2)", "--count=1"];
  const tag = (await git(["for-each-ref", ...format, "--", "refs/tags"], { cwd: root })).toString().trim();
  return tag === "" ? undefined : tag;
}

async function mergeBase(root: string, left: string, right: string | undefined): Promise<string | undefined> {
  if (right === undefined) return undefined;
  const base = (await git(["merge-base", "--", left, right], { cwd: root, answers: [1] })).toString().trim();
  return base === "" ? undefined : base;
}

const FIELDS = ["%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"];

/** Oldest first; `parent` is the first one of the oldest. */
async function readCommits(
  root: string,
  range: readonly string[],
): Promise<{ readonly commits: readonly Commit[]; readonly parent: string | undefined }> {
  const format = [`--format=${FIELDS.join("%x00")}`, "-z", "--no-show-signature"];
  const text = (await git(["log", ...format, ...range, "--"], { cwd: root })).toString();
  // `-z` ends each commit with a NUL as well, so that the fields of all of them stand in one row.
  const fields = text.split("\0");
  const commits: Commit[] = [];
  let parent: string | undefined;
  for (let at = 0; at + FIELDS.length <= fields.length; at += FIELDS.length) {
    const [sha = "", tree = "", parents = "", an = "", ae = "", ad = "", cn = "", ce = "", cd = "", body = ""] =
      fields.slice(at);
    parent = parents.split(" ")[0] || undefined;
    const author = { name: an, email: ae, date: ad };
    commits.push({ sha, tree, message: body.trimEnd(), author, committer: { name: cn, email: ce, date: cd } });
  }
  return { commits: commits.toReversed(), parent };
}

/** As the commit itself says it, whether that one is here or not. */
async function namedParent(root: string, sha: string): Promise<string | undefined> {
  const commit = (await git(["cat-file", "--batch"], { cwd: root, input: `${sha}\n` })).toString();
  const headers = commit.split("\n\n", 1)[0] ?? "";
  return /^parent (?<sha>\w+)$/m.exec(headers)?.groups?.["sha"];
}

async function countCommits(root: string, from: string, to: string): Promise<number> {
  const limit = `--max-count=${MAX_COMMITS_WITH_PATHS + 1}`;
  return Number((await git(["rev-list", "--count", limit, to, `^${from}`, "--"], { cwd: root })).toString());
}

async function hasCommits(root: string, shas: readonly string[]): Promise<boolean> {
  const names = shas.map((sha) => `${sha}^{commit}\n`).join("");
  const answer = await git(["cat-file", "--batch-check"], { cwd: root, input: names });
  return !answer.toString().includes(" missing\n");
}
