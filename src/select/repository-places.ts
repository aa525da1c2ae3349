/**
 * Where repositories are found on this host: the run's own, and those that the operator keeps (`--mirror`), as bare repositories
 * `<owner>/<name>.git` or as tarballs. A place answers with the repository at one commit, or why it has none.
 */
import { bareRepository, findCommit, findCommitById } from "../git/file-at-commit.ts";
import type { GitPlace } from "../git/file-at-commit.ts";
import { isCommitId, refNames } from "../git/remote-cache.ts";
import type { Repository } from "../git/repository.ts";
import { EngineError } from "../lib/engine-error.ts";
import { entryOf, isSameName } from "./directory-entry.ts";
import { gitTree } from "./repository-tree.ts";
import type { RepositoryTree } from "./repository-tree.ts";
import type { RemoteReference } from "./workflow-reference.ts";

/** A tree, why there is none, or undefined when the reference is none of its business. */
export type Place = (reference: RemoteReference) => Promise<RepositoryTree | string | undefined>;

/** The run's own repository, and the operator's; undefined for one that is not looked into. */
export function placesOnHost(repository: Repository | undefined, mirrorDir: string | undefined): readonly Place[] {
  return [
    ...(repository === undefined ? [] : [ownRepository(repository)]),
    ...(mirrorDir === undefined ? [] : [mirror(mirrorDir)]),
  ];
}

/** A reference to the run's own repository means a commit of it, not the working tree. */
function ownRepository({ root, owner, name, isGit }: Repository): Place {
  return async (reference) => {
    const isOwn = isGit && isSameName(reference.owner, owner) && isSameName(reference.name, name);
    if (!isOwn) return undefined;
    const { ref } = reference;
    const others = ref.startsWith("refs/") ? [] : [`refs/remotes/origin/${ref}`];
    return localTree({ cwd: root }, reference, others, "this repository");
  };
}

function mirror(directory: string): Place {
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

/** What does not know the name may have the commit that is locked for it; undefined for none. */
export async function findByCommit<Tree extends Pick<RepositoryTree, "from">>(
  reference: RemoteReference,
  commit: string | undefined,
  find: (reference: RemoteReference) => Promise<Tree | string | undefined>,
): Promise<Tree | undefined> {
  if (commit === undefined || isCommitId(reference.ref)) return undefined;
  const tree = await find({ ...reference, ref: commit });
  return typeof tree === "object" ? { ...tree, from: { ...tree.from, ref: reference.ref } } : undefined;
}

/** Sentences for who has looked everywhere. */
export function adviceFor({ owner, name, ref }: RemoteReference): string {
  const isShort = /^[0-9a-f]{7,39}$/iu.test(ref);
  return [
    ...(isShort ? ["A commit is named by all 40 digits of its id."] : []),
    `A private repository needs a token in GITHUB_TOKEN; without a network give a directory with ${owner}/${name}.git by --mirror DIR.`,
  ].join(" ");
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
