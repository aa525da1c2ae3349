/**
 * Speaks QEMU's control protocol over one stream: a JSON object on each line, answers matched to commands by id, events
 * passed over. QEMU is trusted less than we are: a line has a bound. Source: QEMU's docs/interop/qmp-spec.
 */
import type { Duplex } from "node:stream";
import { looseObject, number, optional, safeParse, string, unknown } from "zod/mini";

const MAX_LINE_BYTES = 1 << 20;

const Answer = looseObject({
  id: optional(number()),
  return: optional(unknown()),
  error: optional(looseObject({ desc: string() })),
});

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** QEMU understood a command and will not or cannot do it; the message is its own. */
export class QmpRefusal extends Error {}

export class QmpClient {
  readonly #stream: Duplex;
  readonly #pending = new Map<number, Pending>();
  #received = "";
  #nextId = 1;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("error", (error) => this.#fail(error));
    stream.on("close", () => this.#fail(new Error("QEMU closed its control stream")));
    // Every session begins so; QEMU takes commands after it in order, no need to wait.
    this.execute("qmp_capabilities").catch(() => undefined);
  }

  /** The value that QEMU returns. Rejects with a `QmpRefusal`, or when the stream ends. Any number at once. */
  async execute(command: string, parameters: object = {}): Promise<unknown> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    if (this.#stream.destroyed) this.#fail(new Error("QEMU's control stream is closed"));
    else this.#stream.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
    return await promise;
  }

  #receive(chunk: Buffer): void {
    const lines = (this.#received + chunk.toString("latin1")).split("\n");
    this.#received = lines.pop() ?? "";
    if (this.#received.length > MAX_LINE_BYTES) this.#stream.destroy(new Error("QEMU sent an endless line"));
    for (const line of lines) this.#answer(line);
  }

  #answer(line: string): void {
    const answer = safeParse(Answer, parseJson(line));
    if (!answer.success) {
      this.#stream.destroy(new Error("QEMU sent a line that is not its protocol"));
      return;
    }
    const { id, error, return: value } = answer.data;
    const pending = id === undefined ? undefined : this.#pending.get(id);
    // The greeting and events have no id.
    if (id === undefined || pending === undefined) return;
    this.#pending.delete(id);
    if (error === undefined) pending.resolve(value);
    else pending.reject(new QmpRefusal(error.desc));
  }

  #fail(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // Not an object, which is what the schema then says.
    return undefined;
  }
}
