/**
 * Files of repositories on a server, through bare repositories kept on this host: of each only the commits and files that were
 * asked for are fetched. A tag or a branch is asked for again each time, since it moves; a commit that is here needs no network.
 *
 * The server is untrusted: git runs with a configuration of its own, follows no redirect, and is bounded in time and in the size
 * of what it writes. The token reaches git in its environment, never on a command line or in an address.
 * Source: git-fetch(1), gitprotocol-v2(5), SECURITY-RELIABILITY A18 and A23.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { runCommand } from "../lib/run-command.ts";
import { bareRepository, findBlob, findCommit, readFileAtCommit } from "./file-at-commit.ts";
import type { FileContent, GitPlace } from "./file-at-commit.ts";
import { git } from "./git.ts";
import type { RepositoryName } from "./remote-url.ts";

export interface Remote {
  /** `https://github.com`, without a slash at its end and without credentials. */
  readonly serverUrl: string;
  /** Sent over https only, or to this host itself. */
  readonly token: string | undefined;
  /** Where the bare repositories are kept: `<host>/<owner>/<name>.git`, in lower case as names there have no case. */
  readonly directory: string;
}

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
  if (isCommitId(ref)) {
    const sha = ref.toLowerCase();
    return (await ensureCommit(remote, repository, sha, signal)) ? sha : undefined;
  }
  const names = refNames(ref);
  const wanted = names.flatMap((name) => [`${name}^{}`, name]);
  const listed = await networkGit(remote, ["ls-remote", "--", remoteUrl(remote, repository), ...wanted], signal);
  // Patterns match the ends of names too: `refs/heads/refs/tags/v1` is somebody else's.
  const commits = new Map(listed.split("\n").map((line) => [line.slice(line.indexOf("\t") + 1), line.split("\t")[0]]));
  const sha = wanted.map((name) => commits.get(name)).find((id) => id !== undefined && isCommitId(id));
  return sha !== undefined && (await ensureCommit(remote, repository, sha, signal)) ? sha : undefined;
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

const MAX_FILE_BYTES = 512 << 20;
const SHELL_BLOCK_BYTES = 512;
const MAX_REASON_CHARACTERS = 1_000;

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
  const place = placeOf(remote, repository);
  await mkdir(place.cwd, { recursive: true, mode: 0o700 });
  await using _ = await lockFile(join(place.cwd, "hearth.lock"), () => undefined, signal);
  await networkGit(remote, ["init", "--quiet", "--bare", "--template=", place.cwd], signal);
  if ((await refId(place, name)) === id) return;
  const depth = name.startsWith("refs/hearth/commits/") ? ["--depth=1"] : [];
  const flags = ["--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none", ...depth];
  const url = remoteUrl(remote, repository);
  await networkGit(remote, ["fetch", ...flags, "--", url, `+${id}:${name}`], signal, place);
}

async function refId(place: GitPlace, name: string): Promise<string | undefined> {
  const listed = await git(["for-each-ref", "--format=%(objectname)", "--", name], place);
  return listed.toString().trim() || undefined;
}

function placeOf({ serverUrl, directory }: Remote, { owner, name }: RepositoryName): GitPlace {
  const host = new URL(serverUrl).host;
  return bareRepository(join(directory, host, owner.toLowerCase(), `${name.toLowerCase()}.git`));
}

/** Not `git` of `git.ts`, which knows no transport. Rejects with the signal's reason when it ends it. */
async function networkGit(
  remote: Remote,
  args: readonly string[],
  signal: AbortSignal,
  place: GitPlace = { cwd: "/" },
): Promise<string> {
  const limited = ["sh", "-c", 'ulimit -f "$0" && exec "$@"', String(MAX_FILE_BYTES / SHELL_BLOCK_BYTES)];
  const { code, stdout, stderr } = await runCommand([...limited, "git", ...SETTINGS, ...args], {
    cwd: place.cwd,
    env: { ...networkEnvironment(), ...authorization(remote), ...place.env },
    signal,
  });
  if (code === 0) return stdout;
  const words = withoutToken(remote, stderr)
    .replaceAll(/^fatal: /gm, "")
    .trim();
  const reason = words.slice(0, MAX_REASON_CHARACTERS) || `exit code ${code}`;
  throw new EngineError("GIT_FAILED", reason.replaceAll(/\s*\n\s*/g, "; "));
}

const SETTINGS = [
  "gc.auto=0",
  "maintenance.auto=false",
  "core.hooksPath=/dev/null",
  "credential.helper=",
  "http.followRedirects=false",
  // A server that stalls is left, also when nobody waits for git any more.
  "http.lowSpeedLimit=1",
  "http.lowSpeedTime=30",
  // Always into a pack: its file is what the size limit is about. Large objects are passed through, not held in memory.
  "fetch.unpackLimit=1",
  "core.bigFileThreshold=1m",
  // What we have is not said, or the server leaves out a file of a commit that we have without its files.
  "fetch.negotiationAlgorithm=noop",
  "protocol.version=2",
].flatMap((setting) => ["-c", setting]);

/** Git's own configuration of the user is left out: it may send github.com elsewhere, or start programs that ask for a password. */
function networkEnvironment(): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(INHERITED.map((name) => [name, process.env[name]])),
    HOME: "/nonexistent",
    LC_ALL: "C",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "https:http",
  };
}

const INHERITED = [
  "PATH",
  "TMPDIR",
  "GIT_SSL_CAINFO",
  ...["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
] as const;

function authorization({ serverUrl, token }: Remote): NodeJS.ProcessEnv {
  if (token === undefined || !isSafeForToken(new URL(serverUrl))) return {};
  return {
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `http.${serverUrl}/.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${encoded(token)}`,
  };
}

function isSafeForToken({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

/** A server may send back what it was sent. */
function withoutToken({ token }: Remote, text: string): string {
  return token === undefined ? text : text.replaceAll(token, "***").replaceAll(encoded(token), "***");
}

function encoded(token: string): string {
  return Buffer.from(`x-access-token:${token}`).toString("base64");
}
