/**
 * What has changed in a working tree since a run began: the tree's listing is kept beside the run, and compared with that of a snapshot that
 * is taken now. Files that only a step changed are not among them.
 */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { git, splitNul } from "./git.ts";

export interface TreeChanges {
  /** Added ones among them; relative to the root, as git spells them. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** In the run's directory. */
const FILE = "tree";
/** Of arguments: git takes paths to archive in no other way. */
const PATHS_AT_ONCE = 500;

interface Committed {
  /** A bare repository. */
  readonly gitDir: string;
  readonly sha: string;
}

export async function keepListing(directory: string, commit: Committed): Promise<void> {
  await writeFile(join(directory, FILE), await listTree(commit), { mode: 0o600 });
}

/** For a run that goes on with the files of another one; nothing where that one kept none. */
export async function passOnListing(from: string, to: string): Promise<void> {
  await copyFile(join(from, FILE), join(to, FILE)).catch(() => undefined);
}

/** Undefined where no listing was kept: the run had no need of its repository, or took no checkpoints. */
export async function changesSince(directory: string, commit: Committed): Promise<TreeChanges | undefined> {
  let before: Buffer;
  try {
    before = await readFile(join(directory, FILE));
  } catch {
    return undefined;
  }
  return compareListings(before, await listTree(commit));
}

/** Of `git ls-tree -r -z`. Pure. */
function compareListings(before: Buffer, after: Buffer): TreeChanges {
  const then = entriesOf(before);
  const now = entriesOf(after);
  return {
    changed: [...now].filter(([path, entry]) => then.get(path) !== entry).map(([path]) => path),
    removed: [...then.keys()].filter((path) => !now.has(path)),
  };
}

/** Tar archives of these files, one after the other. */
export async function* archivesOf({ gitDir, sha }: Committed, paths: readonly string[]): AsyncGenerator<Buffer> {
  for (let from = 0; from < paths.length; from += PATHS_AT_ONCE) {
    const some = paths.slice(from, from + PATHS_AT_ONCE);
    yield git(["--git-dir", gitDir, "archive", "--format=tar", sha, "--", ...some], { cwd: gitDir });
  }
}

function listTree({ gitDir, sha }: Committed): Promise<Buffer> {
  return git(["--git-dir", gitDir, "ls-tree", "-r", "-z", "--full-tree", sha], { cwd: gitDir });
}

/** By path: mode, kind and object. */
function entriesOf(listing: Buffer): ReadonlyMap<string, string> {
  return new Map(
    splitNul(listing).map((entry) => [entry.slice(entry.indexOf("\t") + 1), entry.slice(0, entry.indexOf("\t"))]),
  );
}
