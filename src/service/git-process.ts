/**
 * git as the services start it: an argument vector, and nothing of the host's configuration, hooks or transports. Who starts one
 * bounds and ends it. Source: SECURITY-RELIABILITY A17 and A18.
 */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";

export type GitProcess = ChildProcessByStdio<Writable, Readable, null>;

export interface GitProcessOptions {
  /** `name=value`, beside those that always hold. */
  readonly settings: readonly string[];
  /** Of git itself, before the command. */
  readonly options?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
  /** In a process group of its own. */
  readonly detached?: boolean;
}

const SETTINGS = [
  // The operator said where the repositories are; they may be another user's.
  "safe.directory=*",
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
];

const VARIABLES = {
  HOME: "/nonexistent",
  LC_ALL: "C.UTF-8",
  TZ: "UTC",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_ALLOW_PROTOCOL: "none",
  GIT_TERMINAL_PROMPT: "0",
};

export function startGit(
  command: readonly string[],
  { settings, options = [], variables = {}, detached = false }: GitProcessOptions,
): GitProcess {
  const configured = [...SETTINGS, ...settings].flatMap((setting) => ["-c", setting]);
  const child = spawn("git", [...configured, ...options, ...command], {
    cwd: "/",
    detached,
    stdio: ["pipe", "pipe", "ignore"],
    env: { PATH: process.env["PATH"], ...VARIABLES, ...variables },
  });
  // One that ends before it has read its input says so by its exit.
  child.stdin.on("error", () => {});
  return child;
}

/** Null when a signal ended it or it could not be started. */
export function exitOf(child: GitProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once("close", (code) => resolve(code));
    child.once("error", () => resolve(null));
  });
}
