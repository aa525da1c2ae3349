/**
 * The one way this folder starts git: an argument vector, an environment made from a short list, no hooks, no file system
 * monitor, no transport. A repository on disk is untrusted (someone may have unpacked it with its `.git`), and its own
 * configuration must not get to run a program. Source: SECURITY-RELIABILITY A18, git-config(1).
 */
import { spawn } from "node:child_process";
import { EngineError } from "../lib/engine-error.ts";

export interface GitCall {
  readonly cwd: string;
  /** Laid over the short list; this is how the scratch repository is named. */
  readonly env?: { readonly [name: string]: string };
  readonly input?: string | Buffer;
  /** Exit codes that are an answer rather than a failure; 0 always is. */
  readonly answers?: readonly number[];
  /** `check-ignore` alone refuses `--literal-pathspecs`; its paths begin with `./`, which is never magic. */
  readonly takesLiteralPathspecs?: false;
}

/** Resolves to what git printed. Throws `EngineError` GIT_FAILED with git's own words otherwise. */
export async function git(args: readonly string[], call: GitCall): Promise<Buffer> {
  const literal = call.takesLiteralPathspecs === false ? [] : ["--literal-pathspecs"];
  const child = spawn("git", [...literal, ...NEUTRAL_ARGUMENTS, ...args], {
    cwd: call.cwd,
    env: { ...inheritedEnvironment(), ...NEUTRAL_ENVIRONMENT, ...call.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    if (stderr.length < MAX_STDERR_CHARACTERS) stderr += chunk;
  });
  // git may end without having read everything (EPIPE); its exit code says what that means.
  child.stdin.on("error", () => {});
  child.stdin.end(call.input);

  return await new Promise((resolve, reject) => {
    child.on("error", (cause) =>
      reject(new EngineError("GIT_FAILED", "Cannot start git", { cause, hint: "Install git and have it on PATH." })),
    );
    child.on("close", (code) => {
      if (code === 0 || (code !== null && call.answers?.includes(code) === true)) return resolve(Buffer.concat(stdout));
      const command = args.find((argument) => /^[a-z][a-z-]+$/.test(argument)) ?? "command";
      const reason = stderr.trim().slice(0, MAX_STDERR_CHARACTERS) || `exit code ${code}`;
      reject(new EngineError("GIT_FAILED", `Cannot run git ${command} in ${call.cwd}: ${reason}`));
    });
  });
}

/** Configuration that switches off every filter driver named, so that the attributes of a tree start no program. */
export function withoutFilters(names: Iterable<string>): string[] {
  return [...names].flatMap((name) =>
    ["clean=", "smudge=", "process=", "required=false"].flatMap((setting) => ["-c", `filter.${name}.${setting}`]),
  );
}

/** The filter drivers that a repository's configuration knows. */
export async function filtersOf(place: Pick<GitCall, "cwd" | "env">): Promise<ReadonlySet<string>> {
  const config = await git(["config", "-z", "--get-regexp", "^filter\\."], { ...place, answers: [1] });
  const names = parseConfig(config).flatMap(
    ([key]) => /^filter\.(?<name>.+)\.[^.]+$/s.exec(key)?.groups?.["name"] ?? [],
  );
  return new Set(names);
}

/** Splits what `git config -z` printed into keys and values; a key without a value means true. */
export function parseConfig(output: Buffer): [key: string, value: string][] {
  return splitNul(output).map((entry) => {
    const end = entry.indexOf("\n");
    return end === -1 ? [entry, "true"] : [entry.slice(0, end), entry.slice(end + 1)];
  });
}

export function splitNul(output: Buffer): string[] {
  return output
    .toString("utf8")
    .split("\0")
    .filter((entry) => entry !== "");
}

const MAX_STDERR_CHARACTERS = 4096;

const NEUTRAL_ARGUMENTS = [
  "--no-pager",
  ...["safe.bareRepository=explicit", "core.fsmonitor=false", "core.hooksPath=/dev/null"].flatMap((c) => ["-c", c]),
];

const NEUTRAL_ENVIRONMENT = {
  LC_ALL: "C",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_TERMINAL_PROMPT: "0",
  GIT_NO_REPLACE_OBJECTS: "1",
  // A partial clone's missing objects would be fetched by whatever transport its configuration names, `ext::` included.
  GIT_ALLOW_PROTOCOL: "none",
};

/**
 * What git may know of our own environment. Not the rest: started from a git hook, GIT_DIR and GIT_INDEX_FILE would lead
 * every command here to another repository. SUDO_UID is how git knows whose repositories root may read.
 */
const INHERITED = [
  "PATH",
  "HOME",
  "XDG_CONFIG_HOME",
  "TMPDIR",
  "SUDO_UID",
  "GIT_CONFIG_GLOBAL",
  "GIT_CONFIG_SYSTEM",
  "GIT_CONFIG_NOSYSTEM",
] as const;

function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(INHERITED.map((name) => [name, process.env[name]]));
}
