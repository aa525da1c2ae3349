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
  SignalRequest,
  Vitals,
  VitalsRequest,
  WriteFileRequest,
} from "./agent-api.ts";
import type { OutputStream, ReadBack } from "./agent-client.ts";

/** Each method may be called any number of times at once. A thrown error is told to the host with its message. */
export interface AgentHandlers {
  ready(): Ready;
  /** `host` is told of output while the process runs; the files are read after it has ended. */
  exec(request: ExecRequest, host: ExecListener): Promise<{ exit: ExecExit; files: readonly ReadBack[] }>;
  signal(request: SignalRequest): Promise<void>;
  readFile(request: ReadFileRequest): ReadBack;
  writeFile(request: WriteFileRequest): void;
  unpack(path: string, tar: Readable): Promise<void>;
  /** A part of the machine's input device; the stream fails where there is none. */
  readInput(range: InputRange): Readable;
  pack(path: string): Readable;
  hashFiles(request: HashFilesRequest): Promise<string>;
  reset(request: ResetRequest): Promise<void>;
  vitals(request: VitalsRequest): Vitals;
}

export interface ExecListener {
  /** False asks to stop until `onDrain` is called. */
  write(stream: OutputStream, bytes: Buffer): boolean;
  onDrain(resume: () => void): void;
  /** Aborted when the host has gone away before the exec ended. */
  readonly gone: AbortSignal;
}
