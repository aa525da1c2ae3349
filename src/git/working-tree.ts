/**
 * The working tree as it is, as a commit that can be fetched: uncommitted and untracked files included, ignored ones not.
 *
 * It is built in a scratch bare repository that borrows the user's objects (alternates) and works on a copy of the user's
 * index, so that unchanged files are not read again. Not a byte of the user's repository changes (git renews the time of an
 * object that it would have written again, which keeps a concurrent prune away from it), and nothing it configures is run: the scratch repository has a configuration of its own, in which no filter, hook or monitor exists. A file under
 * a filter (git LFS) that changed is therefore taken with its content, as it is on disk.
 *
 * The commit: message "Working tree with uncommitted changes", author and committer `Hearth <hearth@localhost>`, dates of HEAD's
 * committer (2000-01-01 before the first commit), HEAD as its only parent, also in the middle of a merge. The same tree on the
 * same HEAD therefore always has the same sha.
 *
 * Left out: repositories inside the working tree that are not submodules of it (git has no way to carry them), and changes
 * inside submodules (a submodule is the commit it is at).
 */
import { existsSync } from "node:fs";
import { copyFile, lstat, mkdir, readdir, realpath, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { git, parseConfig } from "./git.ts";
import type { Repository } from "./repository.ts";

export interface Snapshot {
  /** A bare repository with the user's branches and tags, in which `repository.ref` and HEAD are at `sha`. */
  readonly gitDir: string;
  /** HEAD's own when the working tree is clean. */
  readonly sha: string;
  readonly tree: string;
  readonly clean: boolean;
}

/**
 * `scratchDir` is made when missing; what is in `scratchDir/snapshot.git` must not exist yet. `madeUp` are refs that an event
 * speaks of (`refs/pull/1/merge`): they are at `sha` too, unless the user has them. Throws `EngineError` GIT_FAILED.
 */
export async function snapshotWorkingTree(
  repository: Repository,
  scratchDir: string,
  madeUp: readonly string[] = [],
): Promise<Snapshot> {
  const gitDir = join(scratchDir, "snapshot.git");
  const original = repository.isGit ? await readOriginal(repository.root) : NO_ORIGINAL;
  await createScratch(gitDir, original);

  const scratch = scratchGit(repository.root, gitDir, original.settings);
  await updateIndex(scratch, repository.root);
  const tree = (await scratch(["write-tree", "--missing-ok"])).toString().trim();
  const { head } = original;
  const clean = head !== undefined && head.tree === tree;
  const sha = clean ? head.sha : await commitTree(scratch, tree, head);
  const refs = new Map([...madeUp.map((ref) => [ref, sha] as const), ...original.refs]);
  await writeRefs(gitDir, refs, repository.ref, sha);
  return { gitDir, sha, tree, clean };
}

/**
 * What is committed, as it is, in a bare repository of its own that borrows the user's objects: its configuration is ours, so reading
 * from it runs nothing of the user's. Undefined where there is no git. `scratchDir` as in `snapshotWorkingTree`.
 */
export async function borrowCommits(repository: Repository, scratchDir: string): Promise<string | undefined> {
  if (!repository.isGit) return undefined;
  const gitDir = join(scratchDir, "commits.git");
  const original = await readOriginal(repository.root);
  await createScratch(gitDir, original);
  await writeRefs(gitDir, original.refs, repository.ref, original.head?.sha);
  return gitDir;
}

/** What is read from the user's repository; every path is absolute. */
interface Original {
  readonly head: Head | undefined;
  /** Full name to object, branches and tags. */
  readonly refs: ReadonlyMap<string, string>;
  readonly settings: readonly string[];
  readonly objectFormat: string;
  readonly files: OriginalFiles | undefined;
}

interface Head {
  readonly sha: string;
  readonly tree: string;
  /** Seconds and time zone, as git writes them. */
  readonly date: string;
}

interface OriginalFiles {
  readonly objects: string;
  readonly index: string;
  /** The rest, by its name in the scratch repository. */
  readonly others: { readonly [name: string]: string };
}

const NO_ORIGINAL: Original = {
  head: undefined,
  refs: new Map(),
  settings: [],
  objectFormat: "sha1",
  files: undefined,
};

async function readOriginal(root: string): Promise<Original> {
  const [paths, config, refs, headObject] = await Promise.all([
    git(["rev-parse", ...ORIGINAL_FILES.flatMap((name) => ["--git-path", name])], {
      cwd: root,
    }),
    git(["config", "-z", "--get-regexp", "^(core|extensions|index)\\."], { cwd: root, answers: [1] }),
    git(["for-each-ref", "--format=%(objectname) %(refname)", "--", "refs/heads", "refs/tags"], { cwd: root }),
    git(["cat-file", "--batch"], { cwd: root, input: "HEAD\n" }),
  ]);
  const settings = parseConfig(config);
  return {
    head: parseHead(headObject.toString()),
    refs: new Map(lines(refs).map((line) => [line.slice(line.indexOf(" ") + 1), line.slice(0, line.indexOf(" "))])),
    settings: settings.filter(([key]) => CARRIED_SETTINGS.has(key)).map(([key, value]) => `${key}=${value}`),
    objectFormat: settings.findLast(([key]) => key === "extensions.objectformat")?.[1] ?? "sha1",
    files: parseOriginalFiles(root, lines(paths)),
  };
}

const ORIGINAL_FILES = ["objects", "index", "shallow", "info/exclude", "info/attributes", "info/sparse-checkout"];

/** What decides how a file becomes a blob, and which files are ignored; nothing that names a program. */
const CARRIED_SETTINGS = new Set([
  "core.attributesfile",
  "core.autocrlf",
  "core.checkroundtripencoding",
  "core.checkstat",
  "core.eol",
  "core.excludesfile",
  "core.filemode",
  "core.ignorecase",
  "core.precomposeunicode",
  "core.sparsecheckout",
  "core.sparsecheckoutcone",
  "core.symlinks",
  "core.trustctime",
  "index.sparse",
]);

function parseHead(batch: string): Head | undefined {
  const headers = batch.split("\n\n", 1)[0] ?? "";
  const sha = /^(?<sha>[0-9a-f]+) commit /.exec(headers)?.groups?.["sha"];
  const tree = /^tree (?<tree>[0-9a-f]+)$/m.exec(headers)?.groups?.["tree"];
  const date = /^committer .*> (?<date>\d+ [+-]\d{4})$/m.exec(headers)?.groups?.["date"];
  return sha === undefined || tree === undefined ? undefined : { sha, tree, date: date ?? DATE_BEFORE_FIRST_COMMIT };
}

const DATE_BEFORE_FIRST_COMMIT = "946684800 +0000";

/** git says them relative to the root, which keeps a line feed in the root's own name out of its answer. */
function parseOriginalFiles(root: string, paths: readonly string[]): OriginalFiles {
  const [objects = "", index = "", ...others] = paths.map((path) => resolve(root, path));
  return {
    objects,
    index,
    others: Object.fromEntries(others.map((path, at) => [ORIGINAL_FILES[at + 2] ?? "", path])),
  };
}

/** Written by hand rather than by `git init`, which would bring the user's template and its hooks. */
async function createScratch(gitDir: string, original: Original): Promise<void> {
  await mkdir(dirname(gitDir), { recursive: true });
  await mkdir(gitDir, { mode: 0o700 });
  await Promise.all(["objects/info", "refs", "info"].map((name) => mkdir(join(gitDir, name), { recursive: true })));
  const { objectFormat, files } = original;
  await Promise.all([
    writeFile(join(gitDir, "HEAD"), "ref: refs/heads/main\n"),
    writeFile(
      join(gitDir, "config"),
      `[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = ${objectFormat}\n`,
    ),
    ...(files === undefined
      ? []
      : [
          writeFile(join(gitDir, "objects/info/alternates"), `${quote(files.objects)}\n`),
          copyIndex(files.index, gitDir),
          ...Object.entries(files.others).map(([name, path]) => copyIfThere(path, join(gitDir, name))),
        ]),
  ]);
}

/**
 * git trusts a file's times only if they are older than the index: a copy that looks newer would hide a change made in the
 * same second as the last commit, so the copy gets the original's time, rounded down.
 * An index that is split names a second file beside it (git-update-index(1), "Split index mode").
 */
async function copyIndex(index: string, gitDir: string): Promise<void> {
  const copy = join(gitDir, "index");
  if (!(await copyIfThere(index, copy))) return;
  const changedAtSeconds = Math.floor((await stat(index)).mtimeMs / 1000);
  await utimes(copy, changedAtSeconds, changedAtSeconds);
  const shared = (await readdir(dirname(index))).filter((name) => name.startsWith("sharedindex."));
  await Promise.all(shared.map((name) => copyIfThere(join(dirname(index), name), join(gitDir, name))));
}

async function copyIfThere(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** ENOTDIR: a file stands where a directory was. */
function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/** A path as the alternates file takes it: in double quotes, in C's escapes, so that no character in it can mean anything. */
function quote(path: string): string {
  return `"${path.replaceAll(/["\\]/g, (character) => `\\${character}`).replaceAll("\n", String.raw`\n`)}"`;
}

type Git = (
  args: readonly string[],
  call?: { env?: { [name: string]: string }; input?: string | Buffer },
) => Promise<Buffer>;

function scratchGit(root: string, gitDir: string, settings: readonly string[]): Git {
  const carried = [...settings, "core.untrackedCache=false", "core.safecrlf=false"].flatMap((setting) => [
    "-c",
    setting,
  ]);
  return async (args, call) =>
    await git([...carried, ...args], {
      cwd: root,
      ...(call?.input === undefined ? {} : { input: call.input }),
      env: {
        ...call?.env,
        GIT_DIR: gitDir,
        GIT_WORK_TREE: root,
        // The user's own configuration may name filters (git LFS is installed that way); what matters of it is carried over.
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
      },
    });
}

/**
 * `update-index` rather than `add`: it reads names as bytes from its input, takes any name, and does not ask submodules
 * whether they changed, which would run git under their configuration.
 */
async function updateIndex(scratch: Git, root: string): Promise<void> {
  const [changed, untracked] = await Promise.all([
    scratch(["ls-files", "-z", "--modified", "--deleted"]),
    scratch(["ls-files", "-z", "--others", "--exclude-standard"]),
  ]);
  const tracked = await Promise.all(splitBytes(changed).map(async (path) => await readTracked(path, root)));
  await update(
    ["--force-remove"],
    tracked.filter(({ gone }) => gone),
  );
  // A name with a slash at its end is a repository inside the working tree.
  const added = splitBytes(untracked).filter((path) => path.at(-1) !== SLASH);
  await update(
    ["--add", "--remove", "--replace"],
    [...tracked.filter(({ gone }) => !gone), ...added.map((path) => ({ path }))],
  );

  async function update(options: readonly string[], entries: readonly { path: Buffer }[]): Promise<void> {
    if (entries.length === 0) return;
    const input = Buffer.concat(entries.flatMap(({ path }) => [path, NUL]));
    await scratch(["update-index", ...options, "-z", "--stdin"], { input });
  }
}

interface TrackedPath {
  readonly path: Buffer;
  /** There is no such file, or what stands there is a directory, or a link on the way leads elsewhere. */
  readonly gone: boolean;
}

async function readTracked(path: Buffer, root: string): Promise<TrackedPath> {
  const full = Buffer.concat([Buffer.from(`${root}/`), path]);
  const directory = full.subarray(0, full.lastIndexOf("/"));
  try {
    if (!(await realpath(directory, "buffer")).equals(directory)) return { path, gone: true };
    // Of directories git lists submodules only; one that has no `.git` has taken the place of a file.
    const gone = (await lstat(full)).isDirectory() && !existsSync(Buffer.concat([full, Buffer.from("/.git")]));
    return { path, gone };
  } catch (error) {
    if (isMissing(error)) return { path, gone: true };
    throw error;
  }
}

const SLASH = "/".charCodeAt(0);
const NUL = Buffer.of(0);

function splitBytes(output: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0, end = output.indexOf(0); end !== -1; start = end + 1, end = output.indexOf(0, start)) {
    parts.push(output.subarray(start, end));
  }
  return parts;
}

async function commitTree(scratch: Git, tree: string, head: Head | undefined): Promise<string> {
  const date = head?.date ?? DATE_BEFORE_FIRST_COMMIT;
  const identity = (role: "AUTHOR" | "COMMITTER") => ({
    [`GIT_${role}_NAME`]: "Hearth",
    [`GIT_${role}_EMAIL`]: "hearth@localhost",
    [`GIT_${role}_DATE`]: `@${date}`,
  });
  const parents = head === undefined ? [] : ["-p", head.sha];
  const commit = await scratch(["commit-tree", tree, ...parents], {
    input: "Working tree with uncommitted changes\n",
    env: { ...identity("AUTHOR"), ...identity("COMMITTER") },
  });
  return commit.toString().trim();
}

/** All in one file: a hundred branches would be a hundred files otherwise. */
async function writeRefs(
  gitDir: string,
  refs: ReadonlyMap<string, string>,
  ref: string,
  sha: string | undefined,
): Promise<void> {
  const moved = [...new Map([...refs, ...(sha === undefined ? [] : [[ref, sha] as const])])].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  await Promise.all([
    writeFile(join(gitDir, "packed-refs"), moved.map(([name, object]) => `${object} ${name}\n`).join("")),
    writeFile(join(gitDir, "HEAD"), ref.startsWith("refs/heads/") || sha === undefined ? `ref: ${ref}\n` : `${sha}\n`),
  ]);
}

function lines(output: Buffer): string[] {
  return output
    .toString()
    .split("\n")
    .filter((line) => line !== "");
}
