/**
 * Where repositories are found on this host: the run's own, and those that the operator keeps (`--mirror`), as bare repositories
 * `<owner>/<name>.git` or as tarballs. A place answers with the repository at one commit, or why it has none.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { archiveCommit } from "../git/archive.ts";
import { bareRepository, findCommit, findCommitById, readFileAtCommit, readFirstFile } from "../git/file-at-commit.ts";
import type { FileContent, GitPlace } from "../git/file-at-commit.ts";
import { git } from "../git/git.ts";
import { isCommitId, refNames } from "../git/remote-cache.ts";
import type { Repository } from "../git/repository.ts";
import type { WorkflowOrigin } from "../plan/plan.ts";
import { EngineError } from "../lib/engine-error.ts";
import { checkedArchive } from "./checked-archive.ts";
import type { RemoteReference } from "./workflow-reference.ts";

/** A repository at one commit. */
export interface RepositoryTree {
  readonly from: Omit<WorkflowOrigin, "path">;
  readFile(path: string, maxBytes: number): Promise<FileContent>;
  /** The first of these files that there is. */
  readFirst(paths: readonly string[], maxBytes: number): Promise<FirstFile | undefined>;
  /** As `ActionSource.open`. */
  archive(): Promise<Readable>;
  /** Whether a tag or branch of the repository leads to the commit; undefined where that is not known. */
  isReachable(): Promise<boolean | undefined>;
}

export interface FirstFile {
  readonly path: string;
  readonly content: FileContent;
}

/** A tree, why there is none, or undefined when the reference is none of its business. */
export type Place = (reference: RemoteReference) => Promise<RepositoryTree | string | undefined>;

/** A reference to the run's own repository means a commit of it, not the working tree. */
export function ownRepository({ root, owner, name, isGit }: Repository): Place {
  return async (reference) => {
    const isOwn = isGit && isSameName(reference.owner, owner) && isSameName(reference.name, name);
    if (!isOwn) return undefined;
    const { ref } = reference;
    const others = ref.startsWith("refs/") ? [] : [`refs/remotes/origin/${ref}`];
    return localTree({ cwd: root }, reference, others, "this repository");
  };
}

export function mirror(directory: string): Place {
  return async (reference) => {
    const { owner, name } = reference;
    const bare = await entryOf(await entryOf(directory, owner), `${name}.git`);
    if (bare !== undefined) return localTree(bareRepository(bare), reference, [], bare);
    const tarballs = await entryOf(directory, `${owner}_${name}`);
    if (tarballs === undefined) return `no ${owner}/${name}.git in ${directory}`;
    const { findTarball } = await import("./repository-tarball.ts");
    return orReason(tarballs, () => findTarball(tarballs, reference));
  };
}

async function localTree(
  place: GitPlace,
  reference: RemoteReference,
  otherNames: readonly string[],
  label: string,
): Promise<RepositoryTree | string> {
  const { ref } = reference;
  return orReason(label, async () => {
    const sha = isCommitId(ref)
      ? await findCommitById(place, ref)
      : await findCommit(place, [...refNames(ref), ...otherNames]);
    return sha === undefined ? `${label} has no branch, tag or commit ${ref}` : gitTree(place, reference, sha);
  });
}

/** The commit must be there with the files that are asked for. */
export function gitTree(place: GitPlace, { owner, name, ref }: RemoteReference, sha: string): RepositoryTree {
  const repository = `${owner}/${name}`;
  return {
    from: { repository, ref, sha },
    readFile: (path, maxBytes) => readFileAtCommit(place, sha, path, maxBytes),
    readFirst: (paths, maxBytes) => readFirstFile(place, sha, paths, maxBytes),
    archive: async () =>
      checkedArchive({ tar: await archiveCommit(place, sha), directory: undefined, label: `${repository} at ${sha}` }),
    async isReachable() {
      const args = ["for-each-ref", "--count=1", `--contains=${sha}`, "--", "refs/heads", "refs/tags", "refs/remotes"];
      return (await git(args, place)).length > 0;
    },
  };
}

export async function orReason<T>(label: string, work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    return `${label}: ${reasonOf(error)}`;
  }
}

/** Why a file or a repository cannot be had. Throws what is no such reason. */
export function reasonOf(error: unknown): string {
  if (error instanceof EngineError) return error.message;
  if (error instanceof DOMException && error.name === "TimeoutError") return "it took too long";
  throw error;
}

/** As it is written, else in whatever case it is there: names on GitHub have none. */
export async function entryOf(directory: string | undefined, wanted: string): Promise<string | undefined> {
  if (directory === undefined) return undefined;
  try {
    const names = await readdir(directory);
    const found = names.find((name) => name === wanted) ?? names.find((name) => isSameName(name, wanted));
    return found === undefined ? undefined : join(directory, found);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
