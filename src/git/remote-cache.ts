/**
 * Files of repositories on a server, through bare repositories kept on this host: of each only the commits and files that were
 * asked for are fetched. A tag or a branch is asked for again each time, since it moves; a commit that is here needs no network.
 * Source: git-fetch(1), gitprotocol-v2(5), SECURITY-RELIABILITY A23.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lockFile } from "../lib/file-lock.ts";
import { bareRepository, findBlob, findCommit, readFileAtCommit } from "./file-at-commit.ts";
import type { FileContent, GitPlace } from "./file-at-commit.ts";
import { git } from "./git.ts";
import { networkGit } from "./network-git.ts";
import type { Remote } from "./network-git.ts";
import type { RepositoryName } from "./remote-url.ts";

export function remoteUrl({ serverUrl }: Remote, { owner, name }: RepositoryName): string {
  return `${serverUrl}/${owner}/${name}.git`;
}

/**
 * The commit that a tag, a branch, a full name (`refs/…`) or 40 digits mean on the server; undefined when there is none. A tag
 * comes before a branch of the same name, as on GitHub. Throws GIT_FAILED with git's words when the server cannot be asked.
 */
export async function findRemoteCommit(
  remote: Remote,
  repository: RepositoryName,
  ref: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const sha = isCommitId(ref) ? ref.toLowerCase() : (await askForName(remote, repository, ref, signal))?.sha;
  return sha !== undefined && (await ensureCommit(remote, repository, sha, signal)) ? sha : undefined;
}

/** What a tag, a branch or a full name means on the server now, a tag's object peeled, with the full name that it has there. */
export async function askForName(
  remote: Remote,
  repository: RepositoryName,
  ref: string,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly sha: string } | undefined> {
  const names = refNames(ref);
  const listed = await listRefs(
    remote,
    repository,
    names.flatMap((name) => [`${name}^{}`, name]),
    signal,
  );
  // Patterns match the ends of names too: `refs/heads/refs/tags/v1` is somebody else's.
  const found = names.map((name) => ({ name, sha: listed.get(`${name}^{}`) ?? listed.get(name) }));
  return found.flatMap(({ name, sha }) => (sha !== undefined && isCommitId(sha) ? [{ name, sha }] : []))[0];
}

/** Whether a tag or a branch ends in the commit: one that only a fork has is served by GitHub as well (SECURITY-RELIABILITY A23). */
export async function isRemoteTip(
  remote: Remote,
  repository: RepositoryName,
  sha: string,
  signal: AbortSignal,
): Promise<boolean> {
  const listed = await listRefs(remote, repository, ["refs/heads/*", "refs/tags/*"], signal);
  return [...listed.values()].includes(sha);
}

async function listRefs(
  remote: Remote,
  repository: RepositoryName,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const listed = await networkGit(remote, ["ls-remote", "--", remoteUrl(remote, repository), ...patterns], signal);
  return new Map(
    listed
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => [line.slice(line.indexOf("\t") + 1), line.split("\t")[0] ?? ""]),
  );
}

/** `commit` is what `findRemoteCommit` gave. Throws GIT_FAILED. */
export async function readRemoteFile(
  remote: Remote,
  repository: RepositoryName,
  { commit, path, maxBytes }: { readonly commit: string; readonly path: string; readonly maxBytes: number },
  signal: AbortSignal,
): Promise<FileContent> {
  const place = placeOf(remote, repository);
  const blob = await findBlob(place, commit, path);
  if (blob === undefined) return { kind: "missing" };
  await ensureObject(remote, repository, `refs/hearth/files/${blob}`, blob, signal);
  return readFileAtCommit(place, commit, path, maxBytes);
}

/** What a name that is no commit may stand for, in the order in which it is looked for. */
export function refNames(ref: string): readonly string[] {
  return ref.startsWith("refs/") ? [ref] : [`refs/tags/${ref}`, `refs/heads/${ref}`];
}

export function isCommitId(ref: string): boolean {
  return /^[0-9a-f]{40}$/i.test(ref);
}

/** Resolves to whether the server has a commit of this id. */
async function ensureCommit(
  remote: Remote,
  repository: RepositoryName,
  sha: string,
  signal: AbortSignal,
): Promise<boolean> {
  const name = `refs/hearth/commits/${sha}`;
  await ensureObject(remote, repository, name, sha, signal);
  return (await findCommit(placeOf(remote, repository), [name])) === sha;
}

/** Fetches an object unless its name says that it is here: asking for the object itself would make git fetch it, unbounded. */
async function ensureObject(
  remote: Remote,
  repository: RepositoryName,
  name: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  await inCache(remote, repository, signal, async (place) => {
    if ((await refId(place, name)) === id) return;
    const depth = name.startsWith("refs/hearth/commits/") ? ["--depth=1"] : [];
    await fetchObject(remote, repository, { id, name, flags: ["--filter=blob:none", ...depth] }, signal);
  });
}

/** Works in the bare repository kept for this one, made when it is not there, while nobody else writes to it. */
export async function inCache<T>(
  remote: Remote,
  repository: RepositoryName,
  signal: AbortSignal,
  work: (place: GitPlace) => Promise<T>,
): Promise<T> {
  const place = placeOf(remote, repository);
  await mkdir(place.cwd, { recursive: true, mode: 0o700 });
  await using _ = await lockFile(join(place.cwd, "hearth.lock"), () => undefined, signal);
  await networkGit(remote, ["init", "--quiet", "--bare", "--template=", place.cwd], signal);
  return work(place);
}

export async function fetchObject(
  remote: Remote,
  repository: RepositoryName,
  { id, name, flags }: { readonly id: string; readonly name: string; readonly flags: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const quiet = ["--quiet", "--no-tags", "--no-write-fetch-head"];
  const url = remoteUrl(remote, repository);
  const args = ["fetch", ...quiet, ...flags, "--", url, `+${id}:${name}`];
  await networkGit(remote, args, signal, placeOf(remote, repository));
}

async function refId(place: GitPlace, name: string): Promise<string | undefined> {
  const listed = await git(["for-each-ref", "--format=%(objectname)", "--", name], place);
  return listed.toString().trim() || undefined;
}

/** The bare repository kept for this one, which need not be there. */
export function placeOf({ serverUrl, directory }: Remote, { owner, name }: RepositoryName): GitPlace {
  const host = new URL(serverUrl).host;
  return bareRepository(join(directory, host, owner.toLowerCase(), `${name.toLowerCase()}.git`));
}
