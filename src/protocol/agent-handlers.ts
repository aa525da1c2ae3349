/** What an agent does, whatever way it is asked: over HTTP/2 (`serve-routes.ts`) or in the same process (`in-process-agent.ts`). */
import type { Readable } from "node:stream";
import type {
  ExecExit,
  ExecRequest,
  HashFilesRequest,
  InputRange,
  ReadFileRequest,
  Ready,
  ResetRequest,
  ShellRequest,
  SignalRequest,
  Vitals,
  VitalsRequest,
  WriteFileRequest,
} from "./agent-api.ts";
import type { OutputStream, ReadBack } from "./agent-client.ts";
import type { ShellInput } from "./shell-frame.ts";

/** Each method may be called any number of times at once. A thrown error is told to the host with its message. */
export interface AgentHandlers {
  ready(): Ready | Promise<Ready>;
  /** `host` is told of output while the process runs; the files are read after it has ended. */
  exec(request: ExecRequest, host: ExecListener): Promise<{ exit: ExecExit; files: readonly ReadBack[] }>;
  /** Never rejects for what the program does or fails to do. */
  shell(request: ShellRequest, host: ShellListener): Promise<ExecExit>;
  signal(request: SignalRequest): Promise<void>;
  readFile(request: ReadFileRequest): ReadBack | Promise<ReadBack>;
  writeFile(request: WriteFileRequest): void | Promise<void>;
  unpack(path: string, tar: Readable): Promise<void>;
  /** A part of the machine's input device; the stream fails where there is none. */
  readInput(range: InputRange): Readable;
  pack(path: string): Readable;
  hashFiles(request: HashFilesRequest): Promise<string>;
  reset(request: ResetRequest): Promise<void>;
  vitals(request: VitalsRequest): Vitals | Promise<Vitals>;
}

export interface ExecListener {
  /** False asks to stop until `onDrain` is called. */
  write(stream: OutputStream, bytes: Buffer): boolean;
  onDrain(resume: () => void): void;
  /** Aborted when the host has gone away before the exec ended. */
  readonly gone: AbortSignal;
}

export interface ShellListener {
  /** What is typed, and sizes, in order; its end is the end of input. May fail when the host has gone away. */
  readonly input: AsyncIterable<ShellInput>;
  /** As in `ExecListener`. */
  write(bytes: Buffer): boolean;
  onDrain(resume: () => void): void;
  /** Aborted when the host has gone away, or hung up. */
  readonly gone: AbortSignal;
}
