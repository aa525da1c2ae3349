/** The host's end of the agent protocol, as the engine sees it. `connect-agent.ts` makes one from a machine's stream. */
import type {
  ExecExit,
  ExecRequest,
  HashFilesRequest,
  InputRange,
  Ready,
  ResetRequest,
  ShellRequest,
  SignalRequest,
  TerminalSize,
  Vitals,
  VitalsRequest,
} from "./agent-api.ts";

export type OutputStream = "stdout" | "stderr";

export interface ExecResult extends ExecExit {
  /** One for each path of the request's `read`, in its order. */
  readonly files: readonly ReadBack[];
}

export type ReadBack =
  | { readonly kind: "content"; readonly content: Buffer }
  | { readonly kind: "missing" }
  | { readonly kind: "too_large"; readonly sizeBytes: number };

/** A program with a terminal, as it runs. */
export interface ShellSession {
  /** As if typed. Resolves when there is room for more; what comes after the end is dropped. Calls are kept in their order. */
  write(bytes: Uint8Array): Promise<void>;
  resize(size: TerminalSize): void;
  /** Nothing more will be typed: what reads finds the end, as after Ctrl-D. */
  endInput(): void;
  /** Kills the program and all that it started; `ended` says SIGHUP then. Safe to call again, also after the end. */
  hangUp(): void;
  /** When all its output was taken. Rejects as `AgentClient.exec` does. */
  readonly ended: Promise<ExecExit>;
}

/**
 * Every method throws `EngineError` GUEST_PROTOCOL when the guest breaks the protocol or its deadline, GUEST_REFUSED when it
 * answers with an error of its own, and MACHINE_LOST when the stream ends. Calls may be made at the same time.
 */
export interface AgentClient extends AsyncDisposable {
  ready(): Promise<Ready>;
  /** `onOutput` is called in order; a promise it returns holds the guest back. */
  exec(
    request: ExecRequest,
    onOutput: (stream: OutputStream, chunk: Buffer) => void | Promise<void>,
  ): Promise<ExecResult>;
  /** `onOutput` as for `exec`; a terminal has one stream. What cannot be started is told by `ended`, as `failure`. */
  shell(request: ShellRequest, onOutput: (chunk: Buffer) => void | Promise<void>): ShellSession;
  signal(request: SignalRequest): Promise<void>;
  /** Undefined when there is no such file. Throws GUEST_REFUSED when it is larger than `maxBytes`. */
  readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
  writeFile(file: { path: string; content: string; mode: number; user: "runner" | "root" }): Promise<void>;
  /** Unpacks a tar stream below `path`; entries that would land outside are refused. */
  unpack(path: string, tar: AsyncIterable<Uint8Array>): Promise<void>;
  /** As `unpack`, with what `BulkInput.write` took there; rejects with the signal's reason when it is aborted first. */
  unpackInput(path: string, input: InputRange, stop: AbortSignal): Promise<void>;
  pack(path: string): AsyncIterable<Uint8Array>;
  hashFiles(request: HashFilesRequest): Promise<string>;
  reset(request: ResetRequest): Promise<void>;
  vitals(request: VitalsRequest): Promise<Vitals>;
}
