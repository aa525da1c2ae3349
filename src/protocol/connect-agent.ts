/**
 * The host's end of the agent protocol over one byte stream (`agent-api.ts`). Every answer is bounded before it is kept, parsed
 * by schema and held to a deadline; an agent that breaks the protocol is cut off, because nothing it says later can be believed.
 */
import type { Duplex } from "node:stream";
import { untilAborted } from "../lib/deadline.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { ExecExit, ExecRequest, InputRange, Ready, ShellRequest, Vitals } from "./agent-api.ts";
import type { AgentClient, ExecResult, OutputStream, ShellSession } from "./agent-client.ts";
import { AGENT_TIMING, AgentSession } from "./agent-session.ts";
import type { AgentTiming } from "./agent-session.ts";
import type { AnswerStream } from "./answer-stream.ts";
import { ExecAnswer, checkedExit } from "./exec-answer.ts";
import { MAX_REQUEST_BYTES } from "./limits.ts";
import { HUNG_UP, remoteShell } from "./remote-shell.ts";
import { encodeOpening } from "./shell-frame.ts";

const MAX_ANSWER_BYTES = 1 << 20;
const MAX_PACKED_BYTES = 64 * 2 ** 30;
/** An archive of many small files in an emulated machine on a busy host is unpacked at some ten times this. */
const LEAST_UNPACKED_BYTES_PER_MS = 128;

/** The stream belongs to the client from here on; disposal closes it. Nothing is sent before the first call. */
export function connectAgent(stream: Duplex, timing: AgentTiming = AGENT_TIMING): AgentClient {
  return new ConnectedAgent(new AgentSession(stream, timing), timing);
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

type OnOutput = (stream: OutputStream, chunk: Buffer) => void | Promise<void>;
type OnTerminal = (chunk: Buffer) => void | Promise<void>;

class ConnectedAgent implements AgentClient {
  readonly #session: AgentSession;
  readonly #timing: AgentTiming;
  /** Execs under way; the function is called when the agent has said that it killed the exec's tree. */
  readonly #running = new Map<string, () => void>();

  constructor(session: AgentSession, timing: AgentTiming) {
    this.#session = session;
    this.#timing = timing;
  }

  async ready(): Promise<Ready> {
    const { Ready } = await schemas();
    return this.#parsed(Ready, (await this.#call("/ready", {}, MAX_ANSWER_BYTES)).body.toString());
  }

  async exec(request: ExecRequest, onOutput: OnOutput): Promise<ExecResult> {
    if (this.#running.has(request.id)) throw new Error(`exec id used twice: ${request.id}`);
    const body = encoded(request);
    const stream = this.#session.open("/exec");
    const answer = new ExecAnswer(request.read);
    using run = this.#trackRun(request.id);
    stream.send(body);
    await this.#accepted(stream);
    for (let bytes = await stream.next(); bytes !== "end"; bytes = await stream.next()) {
      if (bytes === "broken") throw await this.#session.causeOfClose();
      for (const { stream: name, chunk } of this.#checked(answer, bytes)) {
        run.waitingForHost = true;
        try {
          await onOutput(name, chunk);
        } catch (error) {
          stream.cancel();
          throw error;
        }
        run.waitingForHost = false;
      }
    }
    const { ExecExit } = await schemas();
    const exit = this.#parsed(ExecExit, await this.#trailer(stream, "x-exit"));
    return this.#orBroken(() => answer.finish(exit));
  }

  shell(request: ShellRequest, onOutput: OnTerminal): ShellSession {
    try {
      const opening = encodeOpening(request);
      if (opening.length > MAX_REQUEST_BYTES) throw tooLarge(opening.length);
      const stream = this.#session.open("/shell");
      void stream.sendBeside(opening);
      const hungUp = new AbortController();
      hungUp.signal.addEventListener("abort", () => stream.abandon());
      return remoteShell(stream, this.#shellEnd(stream, onOutput, hungUp.signal), () => hungUp.abort());
    } catch (error) {
      return remoteShell(undefined, Promise.reject(error), () => undefined);
    }
  }

  async #shellEnd(stream: AnswerStream, onOutput: OnTerminal, hungUp: AbortSignal): Promise<ExecExit> {
    const unwatch = this.#session.watch();
    try {
      await this.#session.within(this.#timing.answerMs, "begin an answer", stream.status());
      if (!hungUp.aborted) await this.#accepted(stream);
      for (let bytes = await stream.next(); bytes !== "end"; bytes = await stream.next()) {
        if (hungUp.aborted) break;
        if (bytes === "broken") throw await this.#session.causeOfClose();
        await onOutput(bytes);
      }
      if (hungUp.aborted) return HUNG_UP;
      const { ExecExit } = await schemas();
      const exit = this.#parsed(ExecExit, await this.#trailer(stream, "x-exit"));
      return this.#orBroken(() => checkedExit(exit));
    } finally {
      unwatch();
      stream.abandon();
    }
  }

  async signal(request: Parameters<AgentClient["signal"]>[0]): Promise<void> {
    await this.#call("/signal", request, MAX_ANSWER_BYTES);
    if (request.signal === "SIGKILL" && request.scope === "tree") this.#running.get(request.id)?.();
  }

  async readFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
    const { status, body } = await this.#call("/files/read", { path, maxBytes }, maxBytes, { missing: 404 });
    return status === 404 ? undefined : body;
  }

  async writeFile(file: Parameters<AgentClient["writeFile"]>[0]): Promise<void> {
    await this.#call("/files/write", file, MAX_ANSWER_BYTES);
  }

  async unpack(path: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
    const stream = this.#session.open(`/files/unpack?${new URLSearchParams({ path }).toString()}`);
    try {
      for await (const piece of tar) {
        // An agent that answers before the end has refused an entry; the rest is of no use to it.
        if ((await this.#sendPiece(stream, piece)) === "enough") break;
      }
    } catch (error) {
      stream.cancel();
      throw error;
    }
    stream.endBody();
    const answer = this.#answer(stream, MAX_ANSWER_BYTES);
    await this.#session.within(this.#timing.answerMs, "answer /files/unpack", answer);
  }

  async unpackInput(path: string, input: InputRange, stop: AbortSignal): Promise<void> {
    stop.throwIfAborted();
    const query = new URLSearchParams({ path, from: JSON.stringify(input) });
    const stream = this.#session.open(`/files/unpack?${query.toString()}`);
    stream.endBody();
    // Nothing moves on the stream meanwhile: its heartbeat shows whether anybody is there.
    const unwatch = this.#session.watch();
    const answer = async (): Promise<Answer> => {
      await untilAborted(stream.status(), stop);
      return await this.#answer(stream, MAX_ANSWER_BYTES);
    };
    try {
      const deadlineMs = this.#timing.answerMs + input.lengthBytes / LEAST_UNPACKED_BYTES_PER_MS;
      await this.#session.within(deadlineMs, "unpack its input", answer());
    } finally {
      unwatch();
      stream.cancel();
    }
  }

  async *pack(path: string): AsyncGenerator<Uint8Array> {
    const stream = this.#session.open("/files/pack");
    stream.send(encoded({ path }));
    await this.#accepted(stream);
    let packedBytes = 0;
    try {
      for (let piece = await this.#nextOfTar(stream); piece !== "end"; piece = await this.#nextOfTar(stream)) {
        packedBytes += piece.length;
        if (packedBytes > MAX_PACKED_BYTES) throw this.#broken(`more than ${MAX_PACKED_BYTES} bytes of tar`);
        yield piece;
      }
    } finally {
      stream.cancel();
    }
    const { StreamEnd } = await schemas();
    const { failure } = this.#parsed(StreamEnd, await this.#trailer(stream, "x-end"));
    if (failure !== undefined) throw refused(failure);
  }

  async hashFiles(request: Parameters<AgentClient["hashFiles"]>[0]): Promise<string> {
    const { HashFilesAnswer } = await schemas();
    const answer = await this.#call("/hash-files", request, MAX_ANSWER_BYTES, { deadlineMs: this.#timing.hashFilesMs });
    return this.#parsed(HashFilesAnswer, answer.body.toString()).hash;
  }

  async reset(request: Parameters<AgentClient["reset"]>[0]): Promise<void> {
    await this.#call("/reset", request, MAX_ANSWER_BYTES);
  }

  async vitals(request: Parameters<AgentClient["vitals"]>[0]): Promise<Vitals> {
    const { Vitals } = await schemas();
    return this.#parsed(Vitals, (await this.#call("/vitals", request, MAX_ANSWER_BYTES)).body.toString());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.fail(new EngineError("MACHINE_LOST", "The connection to the machine's agent was closed"));
  }

  async #call(
    path: string,
    request: object,
    maxBytes: number,
    options: { deadlineMs?: number; missing?: number } = {},
  ): Promise<Answer> {
    const body = encoded(request);
    const stream = this.#session.open(path);
    stream.send(body);
    const answer = this.#answer(stream, maxBytes, options.missing);
    return await this.#session.within(options.deadlineMs ?? this.#timing.answerMs, `answer ${path}`, answer);
  }

  /** The whole of a bounded answer. Throws GUEST_REFUSED for a status other than 200 and `missing`. */
  async #answer(stream: AnswerStream, maxBytes: number, missing?: number): Promise<Answer> {
    const status = await stream.status();
    const body = await this.#body(stream, status === 200 ? maxBytes : MAX_ANSWER_BYTES);
    if (status === undefined || (status !== 200 && status !== missing)) throw refused(body.toString());
    return { status, body };
  }

  /** Waits for the 200 of an answer that has no bound in time. */
  async #accepted(stream: AnswerStream): Promise<void> {
    const begun = async (): Promise<void> => {
      if ((await stream.status()) !== 200) throw refused((await this.#body(stream, MAX_ANSWER_BYTES)).toString());
    };
    await this.#session.within(this.#timing.answerMs, "begin an answer", begun());
  }

  async #body(stream: AnswerStream, maxBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for (let piece = await stream.next(); piece !== "end"; piece = await stream.next()) {
      if (piece === "broken") throw await this.#session.causeOfClose();
      bytes += piece.length;
      if (bytes > maxBytes) throw this.#broken(`an answer of more than ${maxBytes} bytes`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  #sendPiece(stream: AnswerStream, piece: Uint8Array): Promise<"more" | "enough"> {
    return this.#session.within(this.#timing.stallMs, "take a tar stream", stream.sendPiece(piece));
  }

  async #nextOfTar(stream: AnswerStream): Promise<Buffer | "end"> {
    const piece = await this.#session.within(this.#timing.stallMs, "go on with a tar stream", stream.next());
    if (piece === "broken") throw await this.#session.causeOfClose();
    return piece;
  }

  async #trailer(stream: AnswerStream, name: string): Promise<string> {
    return stream.trailer(name) ?? (await Promise.reject(await this.#session.causeOfClose()));
  }

  #parsed<T>(schema: { safeParse(value: unknown): { success: boolean; data?: T } }, json: string): T {
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch {
      throw this.#broken("an answer that is not JSON");
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success || parsed.data === undefined) throw this.#broken("an answer of the wrong shape");
    return parsed.data;
  }

  #checked(answer: ExecAnswer, bytes: Buffer): { stream: OutputStream; chunk: Buffer }[] {
    return this.#orBroken(() => answer.push(bytes));
  }

  #orBroken<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw error instanceof EngineError ? this.#session.fail(error) : error;
    }
  }

  #broken(detail: string): EngineError {
    return this.#session.fail(new EngineError("GUEST_PROTOCOL", `The agent sent ${detail}`));
  }

  /** Keeps the heart beating. Once its tree has been killed an exec must end, however the agent behaves; time the host itself takes is not counted. */
  #trackRun(id: string): Disposable & { waitingForHost: boolean } {
    const unwatch = this.#session.watch();
    let timer: NodeJS.Timeout | undefined;
    const tracked = {
      waitingForHost: false,
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        unwatch();
        this.#running.delete(id);
      },
    };
    this.#running.set(id, () => {
      timer ??= setTimeout(() => {
        if (tracked.waitingForHost) timer?.refresh();
        else this.#broken(`no end of a command ${this.#timing.killedMs} ms after it was killed`);
      }, this.#timing.killedMs);
    });
    return tracked;
  }
}

/** Loaded with the first answer: compiling the schemas' library takes longer than starting a process. */
function schemas(): Promise<typeof import("./agent-api.ts")> {
  return import("./agent-api.ts");
}

function encoded(request: object): Buffer {
  const body = Buffer.from(JSON.stringify(request));
  if (body.length > MAX_REQUEST_BYTES) {
    throw tooLarge(body.length);
  }
  return body;
}

function tooLarge(sizeBytes: number): EngineError {
  return new EngineError("GUEST_REFUSED", `A request of ${sizeBytes} bytes is more than ${MAX_REQUEST_BYTES}`);
}

function refused(body: string): EngineError {
  return new EngineError("GUEST_REFUSED", `The machine's agent refused: ${body.slice(0, 4_096).trim()}`);
}
