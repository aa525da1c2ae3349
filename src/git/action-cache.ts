/**
 * Commits of actions kept whole on this host, in the bare repositories of `remote-cache.ts`. The tags and branches that were
 * asked for stand there under their own names, as they were when the server was last asked: each is a repository that
 * `--mirror` takes as well. `refs/hearth/whole/<sha>` says that a commit is there with all its files.
 * Source: git-fetch(1), ACTIONS-CONTRACT §4.1.
 */
import { existsSync } from "node:fs";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findCommit } from "./file-at-commit.ts";
import type { GitPlace } from "./file-at-commit.ts";
import { git } from "./git.ts";
import type { Remote } from "./network-git.ts";
import { fetchObject, inCache, isCommitId, placeOf, refNames } from "./remote-cache.ts";
import type { RepositoryName } from "./remote-url.ts";

/** Of a commit that is here with all its files; undefined when it has to be fetched. Asks no server. */
export async function findCachedCommit(
  remote: Remote,
  repository: RepositoryName,
  ref: string,
): Promise<string | undefined> {
  const place = placeOf(remote, repository);
  if (!existsSync(place.cwd)) return undefined;
  const names = isCommitId(ref) ? [] : refNames(ref);
  const refs = await listRefs(place, [...names, WHOLE]);
  const sha = isCommitId(ref) ? ref.toLowerCase() : names.map((name) => refs.get(name)).find(Boolean);
  // Only by its own name: a commit that is here for one of its files has none of the others.
  return sha !== undefined && refs.has(wholeName(sha)) ? sha : undefined;
}

/** What the server said that a reference means. `name` is the full one that leads to the commit; undefined for the commit's own id. */
export interface AskedCommit {
  readonly sha: string;
  readonly name: string | undefined;
}

/**
 * Fetches the commit with all its files, unless it is here, and remembers what its name means. Undefined where the server has no
 * commit of this id. Throws GIT_FAILED.
 */
export async function keepCommit(
  remote: Remote,
  repository: RepositoryName,
  { sha, name }: AskedCommit,
  signal: AbortSignal,
): Promise<string | undefined> {
  return inCache(remote, repository, signal, async (place) => {
    const others = otherNames(name);
    const refs = await listRefs(place, [wholeName(sha), ...others]);
    if (!refs.has(wholeName(sha))) {
      // Files of this commit may have been fetched one by one, and the repository remembers that it left out the others.
      const flags = ["--depth=1", "--no-filter"];
      await fetchObject(remote, repository, { id: sha, name: INCOMING, flags }, signal);
      const isCommit = (await findCommit(place, [INCOMING])) === sha;
      await updateRefs(place, [`delete ${INCOMING}`, ...(isCommit ? [`update ${wholeName(sha)} ${sha}`] : [])]);
      if (!isCommit) return undefined;
      await noteUse(place, sha);
    }
    const outdated = others.filter((other) => refs.has(other)).map((other) => `delete ${other}`);
    if (name !== undefined) await updateRefs(place, [...outdated, `update ${name} ${sha}`]);
    return sha;
  });
}

/** What was a branch may be a tag now. */
function otherNames(name: string | undefined): readonly string[] {
  const short = /^refs\/(?:tags|heads)\/(?<short>.+)$/s.exec(name ?? "")?.groups?.["short"];
  return short === undefined ? [] : refNames(short).filter((other) => other !== name);
}

/** Says that the commit was used now, for `prune`. */
export async function noteUse(place: GitPlace, sha: string): Promise<void> {
  const directory = join(place.cwd, USES);
  const now = new Date();
  try {
    await utimes(join(directory, sha), now, now);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, sha), "");
  }
}

/** Where files named for commits say by their times when these were last used. */
export const USES = "hearth-uses";

export const WHOLE = "refs/hearth/whole";

function wholeName(sha: string): string {
  return `${WHOLE}/${sha}`;
}

const INCOMING = "refs/hearth/incoming";

/** Full names to what they stand for: those given, and those below them. */
export async function listRefs(place: GitPlace, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const listed = await git(["for-each-ref", "--format=%(refname) %(objectname)", "--", ...names], place);
  return new Map(
    listed
      .toString()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]),
  );
}

/** `commands` as `git update-ref --stdin` reads them; all of them happen or none. */
export async function updateRefs(place: GitPlace, commands: readonly string[]): Promise<void> {
  await git(["update-ref", "--stdin"], { ...place, input: commands.map((command) => `${command}\n`).join("") });
}
