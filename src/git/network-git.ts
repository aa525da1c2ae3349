/**
 * Git that talks to a server, which `git` of `git.ts` never does. The server is untrusted: git runs with a configuration of its
 * own, follows no redirect, and is bounded in time and in the size of what it writes. The token reaches git in its environment,
 * never on a command line or in an address. Source: git-fetch(1), SECURITY-RELIABILITY A18.
 */
import { setTimeout as delay } from "node:timers/promises";
import { EngineError } from "../lib/engine-error.ts";
import { runCommand } from "../lib/run-command.ts";
import type { CommandResult } from "../lib/run-command.ts";
import type { GitPlace } from "./file-at-commit.ts";

export interface Remote {
  /** `https://github.com`, without a slash at its end and without credentials. */
  readonly serverUrl: string;
  /** Sent over https only, or to this host itself. */
  readonly token: string | undefined;
  /** Where the bare repositories are kept: `<host>/<owner>/<name>.git`, in lower case as names there have no case. */
  readonly directory: string;
  /** Before the second attempt, twice that before the third; a second when absent. */
  readonly retryAfterMs?: number;
  /** Of what git writes, each; 512 MiB when absent. */
  readonly maxFileBytes?: number;
}

/**
 * Resolves to what git printed. A server that has trouble of its own is asked again, three times altogether as GitHub's runner
 * does; one that cannot be reached is not, since everything else waits. Rejects with the signal's reason when it ends it, else
 * with GIT_FAILED and git's words.
 */
export async function networkGit(
  remote: Remote,
  args: readonly string[],
  signal: AbortSignal,
  place: GitPlace = { cwd: "/" },
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const { code, stdout, stderr } = await runLimited(remote, args, signal, place);
    if (code === 0) return stdout;
    if (attempt < ATTEMPTS && PASSING_TROUBLE.test(stderr)) {
      await delay(attempt * (remote.retryAfterMs ?? RETRY_AFTER_MS), undefined, { signal });
      continue;
    }
    const words = withoutToken(remote, stderr)
      .replaceAll(/^fatal: /gm, "")
      .trim();
    const reason = words.slice(0, MAX_REASON_CHARACTERS) || `exit code ${code}`;
    throw new EngineError("GIT_FAILED", reason.replaceAll(/\s*\n\s*/g, "; "));
  }
}

const ATTEMPTS = 3;
const RETRY_AFTER_MS = 1_000;

/** Git has one exit code for everything, so its words must do; a wrong guess costs an attempt. */
const PASSING_TROUBLE =
  /returned error: (?:429|5\d\d)|early EOF|RPC failed|Connection reset|Empty reply|unexpected disconnect|remote end hung up/u;

function runLimited(
  remote: Remote,
  args: readonly string[],
  signal: AbortSignal,
  place: GitPlace,
): Promise<CommandResult> {
  const limited = [
    "sh",
    "-c",
    'ulimit -f "$0" && exec "$@"',
    String((remote.maxFileBytes ?? MAX_FILE_BYTES) / SHELL_BLOCK_BYTES),
  ];
  return runCommand([...limited, "git", ...SETTINGS, ...args], {
    cwd: place.cwd,
    env: { ...networkEnvironment(), ...authorization(remote), ...place.env },
    signal,
  });
}

const MAX_FILE_BYTES = 512 << 20;
const SHELL_BLOCK_BYTES = 512;
const MAX_REASON_CHARACTERS = 1_000;

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
