/** The host's end of the agent protocol, as the engine sees it. `connect-agent.ts` makes one from a machine's stream. */
import type {
  ExecExit,
  ExecRequest,
  HashFilesRequest,
  InputRange,
  Ready,
  ResetRequest,
  SignalRequest,
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
