/**
 * What host and guest say to each other: HTTP/2 over the byte stream that the provider gives, one schema for each route,
 * used by both ends. The host treats every answer as hostile: sizes are bounded here, before anything is allocated.
 *
 * Routes (all POST, JSON request body of at most 8 MiB unless said otherwise):
 *   /ready            -> Ready
 *   /exec             ExecRequest -> frames (`frame.ts`), trailer `x-exit`: ExecExit as JSON
 *   /signal           SignalRequest -> {}
 *   /shell            frames (`shell-frame.ts`), the first of them ShellRequest -> the terminal's bytes, trailer `x-exit` as of `/exec`
 *   /files/read       ReadFileRequest -> bytes; 404 when there is no such file, 413 when it is larger than asked for
 *   /files/write      WriteFileRequest -> {}
 *   /files/unpack     query `path`: body is a tar stream -> {}; query `from`, InputRange as JSON: it is read from there, no body
 *   /files/pack       PackRequest -> a tar stream, trailer `x-end`: StreamEnd as JSON
 *   /hash-files       HashFilesRequest -> HashFilesAnswer
 *   /reset            ResetRequest -> {}
 *   /vitals           VitalsRequest -> Vitals
 */
import {
  array,
  boolean,
  custom,
  int,
  literal,
  maximum,
  minimum,
  minLength,
  maxLength,
  nonnegative,
  nullable,
  number,
  object,
  optional,
  record,
  string,
  union,
} from "zod/mini";
import type { infer as Infer } from "zod/mini";
import { MAX_INPUT_BYTES, MAX_SHELL_ARGUMENT } from "./limits.ts";

export { MAX_FRAME_BYTES, MAX_REQUEST_BYTES } from "./limits.ts";

const name = string().check(minLength(1), maxLength(256));

/** `env` is the environment a step starts from, before anything the workflow says: PATH, HOME, USER, LANG. */
export const Ready = object({
  bootId: string().check(maxLength(64)),
  hostname: string().check(maxLength(256)),
  uptimeMs: number(),
  arch: string().check(maxLength(16)),
  env: record(string(), string()),
});
export type Ready = Infer<typeof Ready>;

/** One process: files written before it starts, output streamed, files brought back after it ended, in one round trip. */
/** As `record(string(), string())`, which leaves out a variable that is called `__proto__`. */
const variables = custom<Record<string, string>>(
  (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string"),
  "expected texts by name",
);

export const ExecRequest = object({
  /** Chosen by the host; names the process in `/signal`. */
  id: name,
  argv: array(string()).check(minLength(1)),
  /** The whole environment of the process; nothing is added. */
  env: variables,
  cwd: string(),
  /** `runner` unless said otherwise; ignored where the agent itself is not root. */
  user: union([literal("runner"), literal("root")]),
  /** Written before the start, parents made, owned by the user; mode such as 0o755. */
  write: array(object({ path: string(), content: string(), mode: int() })),
  /** Sent back as `file` frames after the end, in this order; one that is gone or too large is said in its frame. */
  read: array(object({ path: string(), maxBytes: int().check(nonnegative()) })),
});
export type ExecRequest = Infer<typeof ExecRequest>;

/**
 * `code` is null when a signal ended the process. `failure` is set when it could not be started (no such program or directory),
 * and then both are null.
 */
export const ExecExit = object({
  code: nullable(int()),
  signal: nullable(string().check(maxLength(16))),
  failure: optional(string().check(maxLength(4096))),
});
export type ExecExit = Infer<typeof ExecExit>;

/** Columns and rows of a terminal: what the kernel keeps them in holds no more. */
const extent = int().check(minimum(1), maximum(65_535));

export const TerminalSize = object({ columns: extent, rows: extent });
export type TerminalSize = Infer<typeof TerminalSize>;

/** One program with a terminal of its own, of which it is the foreground job. Members as in `ExecRequest`. */
export const ShellRequest = object({
  argv: array(string().check(maxLength(MAX_SHELL_ARGUMENT))).check(minLength(1), maxLength(256)),
  env: variables,
  cwd: string(),
  user: union([literal("runner"), literal("root")]),
  size: TerminalSize,
});
export type ShellRequest = Infer<typeof ShellRequest>;

/** `process`: the process that was started only; `tree`: it and everything it started. */
export const SignalRequest = object({
  id: name,
  signal: union([literal("SIGINT"), literal("SIGTERM"), literal("SIGKILL")]),
  scope: union([literal("process"), literal("tree")]),
});
export type SignalRequest = Infer<typeof SignalRequest>;

export const ReadFileRequest = object({ path: string(), maxBytes: int().check(nonnegative()) });
export type ReadFileRequest = Infer<typeof ReadFileRequest>;

export const WriteFileRequest = object({
  path: string(),
  content: string(),
  mode: int(),
  user: union([literal("runner"), literal("root")]),
});
export type WriteFileRequest = Infer<typeof WriteFileRequest>;

/** A part of the machine's input device. */
export const InputRange = object({
  path: string(),
  offsetBytes: int().check(nonnegative()),
  lengthBytes: int().check(nonnegative(), maximum(MAX_INPUT_BYTES)),
});
export type InputRange = Infer<typeof InputRange>;

export const PackRequest = object({ path: string() });
export type PackRequest = Infer<typeof PackRequest>;

/** Ends an answer whose status was sent before its end was known. */
export const StreamEnd = object({ failure: optional(string().check(maxLength(4096))) });
export type StreamEnd = Infer<typeof StreamEnd>;

/** `@actions/glob`'s semantics, relative to `workspace` (ACTIONS-CONTRACT §1.5). */
export const HashFilesRequest = object({
  workspace: string(),
  patterns: array(string()),
  followSymbolicLinks: boolean(),
});
export type HashFilesRequest = Infer<typeof HashFilesRequest>;

/** `hash` is empty when nothing matched. */
export const HashFilesAnswer = object({ hash: string().check(maxLength(64)) });
export type HashFilesAnswer = Infer<typeof HashFilesAnswer>;

/**
 * Between jobs: directories are emptied (made when missing, owned by the runner), and processes that carry the tracking id in
 * their environment are killed.
 */
export const ResetRequest = object({ empty: array(string()), killTrackingId: optional(string()) });
export type ResetRequest = Infer<typeof ResetRequest>;

/** `path`: the file system asked about is the one it is on; it need not exist. */
export const VitalsRequest = object({ path: string() });
export type VitalsRequest = Infer<typeof VitalsRequest>;

const amount = number().check(nonnegative());

export const Vitals = object({
  /** Processes killed for want of memory since the machine started; null where nobody counts them. */
  oomKills: nullable(int().check(nonnegative())),
  /** Those that the runner may fill. */
  freeBytes: amount,
  /** Null where the file system has no fixed number of them. */
  freeInodes: nullable(amount),
  memoryAvailableBytes: amount,
});
export type Vitals = Infer<typeof Vitals>;
