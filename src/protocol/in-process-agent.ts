/**
 * An agent in this very process, as the host provider has it: its handlers are called directly, because HTTP/2 between two
 * objects costs 15 ms to load and a millisecond a step (docs/adr/0007). The stream that stands for it carries nothing; it is
 * what a machine has, and closing it is what ends an agent.
 */
import { Duplex, PassThrough, Readable } from "node:stream";
import { untilAborted } from "../lib/deadline.ts";
import { EngineError } from "../lib/engine-error.ts";
import type {
  ExecExit,
  ExecRequest,
  HashFilesRequest,
  InputRange,
  Ready,
  ResetRequest,
  ShellRequest,
  SignalRequest,
  Vitals,
  VitalsRequest,
  WriteFileRequest,
} from "./agent-api.ts";
import type { AgentClient, ExecResult, OutputStream, ShellSession } from "./agent-client.ts";
import type { AgentHandlers } from "./agent-handlers.ts";
import { HUNG_UP } from "./remote-shell.ts";
import type { ShellInput } from "./shell-frame.ts";
import { writeOrWait } from "./write-or-wait.ts";

const offered = new WeakMap<Duplex, AgentHandlers>();

/** The stream by which `openAgent` finds these handlers. */
export function offerAgent(handlers: AgentHandlers): Duplex {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  offered.set(stream, handlers);
  return stream;
}

/** Undefined when the stream leads to an agent elsewhere. */
export function inProcessAgent(stream: Duplex): AgentClient | undefined {
  const handlers = offered.get(stream);
  return handlers && new InProcessAgent(stream, handlers);
}

type OnOutput = (stream: OutputStream, chunk: Buffer) => void | Promise<void>;

class InProcessAgent implements AgentClient {
  readonly #stream: Duplex;
  readonly #handlers: AgentHandlers;
  readonly #closed = new AbortController();

  constructor(stream: Duplex, handlers: AgentHandlers) {
    this.#stream = stream;
    this.#handlers = handlers;
    stream.once("close", () => this.#closed.abort());
  }

  ready(): Promise<Ready> {
    return this.#ask(() => this.#handlers.ready());
  }

  async exec(request: ExecRequest, onOutput: OnOutput): Promise<ExecResult> {
    const abandoned = new AbortController();
    const gone = AbortSignal.any([this.#closed.signal, abandoned.signal]);
    const output = new OutputQueue(onOutput, () => abandoned.abort());
    const { exit, files } = await this.#ask(() =>
      this.#handlers.exec(request, {
        write: (stream, bytes) => output.write(stream, bytes),
        onDrain: (resume) => output.onDrain(resume),
        gone,
      }),
    );
    await output.delivered();
    return { ...exit, files };
  }

  shell(request: ShellRequest, onOutput: (chunk: Buffer) => void | Promise<void>): ShellSession {
    const hungUp = new AbortController();
    const input = new PassThrough({ objectMode: true });
    const send = (piece: ShellInput): Promise<void> => writeOrWait(input, piece);
    const end = async (): Promise<ExecExit> => {
      const output = new OutputQueue(
        (_stream, chunk) => onOutput(chunk),
        () => hungUp.abort(),
      );
      try {
        const exit = await this.#ask(() =>
          this.#handlers.shell(request, {
            input,
            write: (bytes) => output.write("stdout", bytes),
            onDrain: (resume) => output.onDrain(resume),
            gone: AbortSignal.any([this.#closed.signal, hungUp.signal]),
          }),
        );
        await output.delivered();
        return hungUp.signal.aborted ? HUNG_UP : exit;
      } finally {
        input.destroy();
      }
    };
    const ended = end();
    ended.catch(() => undefined);
    return {
      write: (bytes) => send({ kind: "input", bytes: Buffer.from(bytes) }),
      resize: (size) => void send({ kind: "size", size }),
      endInput: () => void input.end(),
      hangUp: () => hungUp.abort(),
      ended,
    };
  }

  signal(request: SignalRequest): Promise<void> {
    return this.#ask(() => this.#handlers.signal(request));
  }

  readFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
    return this.#ask(async () => {
      const read = await this.#handlers.readFile({ path, maxBytes });
      if (read.kind === "too_large") throw new Error(`${path} is ${read.sizeBytes} bytes, more than ${maxBytes}`);
      return read.kind === "content" ? read.content : undefined;
    });
  }

  writeFile(file: WriteFileRequest): Promise<void> {
    return this.#ask(() => this.#handlers.writeFile(file));
  }

  unpack(path: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#ask(() => this.#handlers.unpack(path, Readable.from(tar)));
  }

  async unpackInput(path: string, input: InputRange, stop: AbortSignal): Promise<void> {
    const tar = this.#handlers.readInput(input);
    try {
      await untilAborted(
        this.#ask(() => this.#handlers.unpack(path, tar)),
        stop,
      );
    } finally {
      tar.destroy();
    }
  }

  async *pack(path: string): AsyncGenerator<Uint8Array> {
    const tar = await this.#ask(() => this.#handlers.pack(path));
    try {
      yield* tar;
    } catch (error) {
      throw refused(error);
    }
  }

  hashFiles(request: HashFilesRequest): Promise<string> {
    return this.#ask(() => this.#handlers.hashFiles(request));
  }

  reset(request: ResetRequest): Promise<void> {
    return this.#ask(() => this.#handlers.reset(request));
  }

  vitals(request: VitalsRequest): Promise<Vitals> {
    return this.#ask(() => this.#handlers.vitals(request));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stream.destroy();
    return Promise.resolve();
  }

  /** What the agent throws is a refusal, and after the end there is nobody to ask, as over a wire. */
  async #ask<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#closed.signal.aborted) throw lost();
    const closed = Promise.withResolvers<never>();
    const onClosed = (): void => closed.reject(lost());
    this.#closed.signal.addEventListener("abort", onClosed, { once: true });
    try {
      return await Promise.race([Promise.resolve().then(work), closed.promise]);
    } catch (error) {
      throw error instanceof EngineError ? error : refused(error);
    } finally {
      this.#closed.signal.removeEventListener("abort", onClosed);
    }
  }
}

function lost(): EngineError {
  return new EngineError("MACHINE_LOST", "The machine is gone");
}

function refused(error: unknown): EngineError {
  const reason = error instanceof Error ? error.message : String(error);
  return new EngineError("GUEST_REFUSED", `The agent refused: ${reason}`, { cause: error });
}

/** Output in order, one chunk at a time; a chunk that the host takes its time over holds the command back. */
class OutputQueue {
  readonly #onOutput: OnOutput;
  readonly #abandon: () => void;
  readonly #resume: (() => void)[] = [];
  #busy: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `abandon` is called when the host throws: nobody listens to the command any more. */
  constructor(onOutput: OnOutput, abandon: () => void) {
    this.#onOutput = onOutput;
    this.#abandon = abandon;
  }

  write(stream: OutputStream, bytes: Buffer): boolean {
    if (this.#busy !== undefined) {
      this.#wait(this.#busy.then(() => this.#deliver(stream, bytes)));
      return false;
    }
    const taken = this.#deliver(stream, bytes);
    if (taken === undefined) return true;
    this.#wait(taken);
    return false;
  }

  onDrain(resume: () => void): void {
    this.#resume.push(resume);
  }

  /** Throws what the host threw. */
  async delivered(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #deliver(stream: OutputStream, bytes: Buffer): void | Promise<void> {
    if (this.#failure !== undefined) return undefined;
    try {
      return this.#onOutput(stream, bytes)?.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      return this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#abandon();
  }

  #wait(taken: Promise<void>): void {
    const busy = taken.then(() => {
      if (this.#busy !== busy) return;
      this.#busy = undefined;
      for (const resume of this.#resume) resume();
    });
    this.#busy = busy;
  }
}
