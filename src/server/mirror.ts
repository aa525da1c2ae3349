/**
 * A bare mirror of each repository, from GitHub or from a path on this host: brought up to date before a delivery is planned, and where a
 * run's commit is taken from later. Nothing of the repository's own configuration, hooks or submodules is obeyed.
 * Source: SECURITY-RELIABILITY A18, ACTIONS-CONTRACT §7.2.
 */
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bareRepository, findCommit, findCommitById } from "../git/file-at-commit.ts";
import { git } from "../git/git.ts";
import { networkGit } from "../git/network-git.ts";
import type { Remote } from "../git/network-git.ts";
import { remoteUrl } from "../git/remote-cache.ts";
import type { RepositoryName } from "../git/remote-url.ts";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import type { WantedCommit } from "./event-of-delivery.ts";
import { createMirrorHolds } from "./mirror-holds.ts";
import type { MirrorHolds } from "./mirror-holds.ts";
import type { LocalRepository } from "./repository-path.ts";

export interface MirrorSettings {
  /** Where the mirrors are; this host's own directory. */
  readonly directory: string;
  /** `https://github.com`. */
  readonly serverUrl: string;
  /** Of a user or an App's installation, asked for before each fetch; undefined: none. */
  readonly token: (repository: RepositoryName) => Promise<string | undefined>;
  /** They go before those of the server. */
  readonly local: readonly LocalRepository[];
  /** As of `Remote`, for tests. */
  readonly retryAfterMs?: number;
}

export interface Mirrors {
  /**
   * Fetches branches, tags and, of a pull request, its merge commit. Throws GIT_FAILED when the server cannot be asked; may be called by
   * several at once.
   */
  refresh(repository: RepositoryName, pullRequest: number | undefined, signal: AbortSignal): Promise<HeldMirror>;
  /**
   * Fetches a commit by its id, which GitHub allows, also where no branch leads to it any more; nothing where it is here. Throws GIT_FAILED,
   * with the commit's id, when the server does not give it.
   */
  fetchCommit(mirror: Mirror, sha: string, signal: AbortSignal): Promise<void>;
  /** With this commit, fetched where it is missing. Throws as `refresh` and `fetchCommit` do. */
  withCommit(repository: RepositoryName, sha: string, signal: AbortSignal): Promise<HeldMirror>;
  /** As it is; it need not be there. */
  at(repository: RepositoryName): Mirror;
  readonly holds: MirrorHolds;
}

export interface Mirror extends RepositoryName {
  /** Bare. */
  readonly directory: string;
}

/** Until disposal it loses nothing that it has. */
export interface HeldMirror extends Mirror, Disposable {}

export type FoundCommit =
  | { readonly kind: "found"; readonly sha: string; readonly ref: string }
  /** `again`: it may still come. */
  | { readonly kind: "missing"; readonly reason: string; readonly again: boolean };

export function createMirrors(settings: MirrorSettings): Mirrors {
  const { directory, serverUrl, token, local, retryAfterMs } = settings;
  const at = ({ owner, name }: RepositoryName): Mirror => ({
    owner,
    name,
    directory: join(directory, owner.toLowerCase(), `${name.toLowerCase()}.git`),
  });
  const holds = createMirrorHolds();
  const remoteOf = async (repository: RepositoryName): Promise<Remote> => ({
    serverUrl,
    token: await token(repository),
    directory,
    maxFileBytes: MAX_PACK_BYTES,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });

  /** `work` while nobody else writes to the mirror, or cleans it up. */
  async function hold(repository: RepositoryName, signal: AbortSignal, work: (mirror: Mirror) => Promise<void>) {
    const mirror = at(repository);
    const held = holds.hold(mirror.directory);
    try {
      await mkdir(mirror.directory, { recursive: true, mode: 0o700 });
      await using _ = await lockFile(lockOf(mirror), () => undefined, signal);
      await git(["init", "--quiet", "--bare", "--template=", mirror.directory], { cwd: directory });
      await work(mirror);
      // When it was used is read from it.
      await utimes(join(mirror.directory, "config"), new Date(), new Date());
    } catch (error) {
      held[Symbol.dispose]();
      throw error;
    }
    return { ...mirror, [Symbol.dispose]: () => held[Symbol.dispose]() };
  }

  async function fetchNames(mirror: Mirror, pullRequest: number | undefined, signal: AbortSignal): Promise<void> {
    const source = local.find((one) => isSameName(one, mirror));
    if (source !== undefined) return fetchLocally(directory, mirror, source, refSpecs(pullRequest));
    const remote = await remoteOf(mirror);
    const place = bareRepository(mirror.directory);
    const url = remoteUrl(remote, mirror);
    await networkGit(remote, [...FETCH, "--", url, ...refSpecs(pullRequest)], signal, place);
    const head = await networkGit(remote, ["ls-remote", "--symref", "--", url, "HEAD"], signal, place);
    await setHead(mirror, /^ref: (?<ref>refs\/heads\/\S+)\tHEAD$/mu.exec(head)?.groups?.["ref"]);
  }

  async function fetchById(mirror: Mirror, sha: string, signal: AbortSignal): Promise<void> {
    const place = bareRepository(mirror.directory);
    if ((await findCommitById(place, sha)) === sha) return;
    const wanted = [`+${sha}:${KEPT_COMMITS}${sha}`];
    const source = local.find((one) => isSameName(one, mirror));
    try {
      if (source !== undefined) return await fetchLocally(directory, mirror, source, wanted);
      const remote = await remoteOf(mirror);
      await networkGit(remote, [...FETCH, "--", remoteUrl(remote, mirror), ...wanted], signal, place);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const what = `commit ${sha} of ${mirror.owner}/${mirror.name}`;
      throw new EngineError("GIT_FAILED", `Cannot fetch ${what}: ${error.message}`, { cause: error });
    }
  }

  return {
    at,
    holds,
    refresh: (repository, pullRequest, signal) =>
      hold(repository, signal, (mirror) => fetchNames(mirror, pullRequest, signal)),
    async fetchCommit(mirror, sha, signal) {
      using _ = await hold(mirror, signal, (same) => fetchById(same, sha, signal));
    },
    withCommit: (repository, sha, signal) =>
      hold(repository, signal, async (mirror) => {
        if ((await findCommitById(bareRepository(mirror.directory), sha)) === sha) return;
        await fetchNames(mirror, undefined, signal);
        await fetchById(mirror, sha, signal);
      }),
  };
}

/** Held by whoever writes to the mirror. */
export function lockOf({ directory }: Pick<Mirror, "directory">): string {
  return `${directory}.lock`;
}

/** Names of commits that must stay, whatever branches and tags do. */
export const KEPT_COMMITS = "refs/hearth/commits/";

/** Of a repository that a person works with; the disk is the operator's. */
const MAX_PACK_BYTES = 16 * 1024 ** 3;

const FETCH = [
  // What is here is said, so that only what is new comes: nothing in a mirror is left out.
  "-c",
  "fetch.negotiationAlgorithm=default",
  "fetch",
  "--quiet",
  "--no-tags",
  "--prune",
  "--force",
  "--no-write-fetch-head",
  "--no-recurse-submodules",
];

/** A pattern that matches nothing is no error, which the name of a ref is. */
function refSpecs(pullRequest: number | undefined): readonly string[] {
  const pull = pullRequest === undefined ? [] : [`+refs/pull/${pullRequest}/*:refs/pull/${pullRequest}/*`];
  return ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", ...pull];
}

async function fetchLocally(
  directory: string,
  mirror: Mirror,
  { gitDir }: LocalRepository,
  wanted: readonly string[],
): Promise<void> {
  const place = bareRepository(mirror.directory);
  // The other end of git reads this file alone, and the repository may be another user's: the operator said where it is.
  const config = join(directory, "gitconfig");
  await writeFile(config, "[safe]\n\tdirectory = *\n[uploadpack]\n\tallowAnySHA1InWant = true\n", { mode: 0o600 });
  const env = { ...place.env, GIT_ALLOW_PROTOCOL: "file", GIT_CONFIG_GLOBAL: config, GIT_CONFIG_NOSYSTEM: "1" };
  await git([...FETCH, "--", gitDir, ...wanted], { cwd: place.cwd, env });
  const head = await git(["symbolic-ref", "--quiet", "HEAD"], { ...bareRepository(gitDir), answers: [1] });
  await setHead(mirror, head.toString().trim() || undefined);
}

async function setHead(mirror: Mirror, ref: string | undefined): Promise<void> {
  if (ref !== undefined) await git(["symbolic-ref", "HEAD", ref], bareRepository(mirror.directory));
}

function isSameName(left: RepositoryName, right: RepositoryName): boolean {
  return `${left.owner}/${left.name}`.toLowerCase() === `${right.owner}/${right.name}`.toLowerCase();
}

/** The branch that HEAD of the repository names, without `refs/heads/`. */
export async function defaultBranchOf({ directory }: Mirror): Promise<string> {
  const head = await git(["symbolic-ref", "--quiet", "HEAD"], { ...bareRepository(directory), answers: [1] });
  return (
    head
      .toString()
      .trim()
      .replace(/^refs\/heads\//u, "") || "main"
  );
}

/** What the mirror has of what is wanted, and under which full name. */
export async function findWanted(mirror: Mirror, wanted: WantedCommit, defaultBranch: string): Promise<FoundCommit> {
  const place = bareRepository(mirror.directory);
  if (wanted.kind === "merge") return findMerge(mirror, wanted);
  const names = wanted.kind === "commit" ? [wanted.sha] : namesOf(wanted, defaultBranch);
  for (const name of names.filter(isRefName)) {
    const sha = await findCommit(place, [name]);
    if (sha !== undefined) return { kind: "found", sha, ref: wanted.kind === "commit" ? fullName(wanted.ref) : name };
  }
  const what = wanted.kind === "commit" ? `commit ${wanted.sha}` : (names[0] ?? "such ref");
  // GitHub may tell of a commit before all of its servers have it.
  return { kind: "missing", reason: `the repository has no ${what} any more`, again: wanted.kind === "commit" };
}

/**
 * What git takes for a name of a ref (git-check-ref-format(1)): nothing that ends a line of its files, is an option, or is looked up
 * in another way.
 */
export function isRefName(name: string): boolean {
  if (name.length === 0 || name.length > MAX_REF_CHARACTERS || FORBIDDEN.test(name)) return false;
  return name.split("/").every((part) => part !== "" && !/^[.-]|\.$|\.lock$/u.test(part));
}

const MAX_REF_CHARACTERS = 255;
// oxlint-disable-next-line no-control-regex -- they are what must not be there
const FORBIDDEN = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{/u;

function namesOf(wanted: Extract<WantedCommit, { kind: "default" | "ref" }>, defaultBranch: string): readonly string[] {
  const ref = wanted.kind === "default" || wanted.ref === "" ? `refs/heads/${defaultBranch}` : wanted.ref;
  return ref.startsWith("refs/") ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
}

/** Empty for what is none, a commit's id among them. */
export function fullName(ref: string): string {
  if (!isRefName(ref) || /^[0-9a-f]{40}$/u.test(ref)) return "";
  return ref.startsWith("refs/") ? ref : `refs/heads/${ref}`;
}

/**
 * The merge of exactly that head: what is approved and reported on is the head, so that a merge of any other must not run in its name.
 */
async function findMerge(
  { directory }: Mirror,
  { number, headSha, conflicts }: Extract<WantedCommit, { kind: "merge" }>,
): Promise<FoundCommit> {
  const ref = `refs/pull/${number}/merge`;
  const listed = await git(["for-each-ref", "--format=%(objectname) %(parent)", "--", ref], bareRepository(directory));
  const [sha, , head] = listed.toString().trim().split(" ");
  if (sha === undefined || sha === "" || conflicts) {
    const reason = `pull request ${number} cannot be merged: it conflicts with its base`;
    return { kind: "missing", reason, again: !conflicts };
  }
  if (head === headSha) return { kind: "found", sha, ref };
  const reason = `pull request ${number} has moved on: its merge is not of ${headSha}`;
  return { kind: "missing", reason, again: true };
}

/** Throws GIT_FAILED where the mirror does not have the commit. */
export async function requireCommit({ owner, name, directory }: Mirror, sha: string): Promise<void> {
  if ((await findCommit(bareRepository(directory), [sha])) === sha) return;
  throw new EngineError("GIT_FAILED", `Cannot check out ${sha}: the mirror of ${owner}/${name} does not have it`);
}
