/** Reads the answer to `/exec`: output in order, then the files asked for, then the exit. Anything else breaks the protocol. */
import { EngineError } from "../lib/engine-error.ts";
import type { ExecExit, ExecRequest } from "./agent-api.ts";
import type { ExecResult, OutputStream, ReadBack } from "./agent-client.ts";
import { FrameDecoder, FrameError } from "./frame.ts";
import type { FilePart } from "./frame.ts";

export class ExecAnswer {
  readonly #wanted: ExecRequest["read"];
  readonly #decoder = new FrameDecoder();
  readonly #files: ReadBack[] = [];
  #parts: Buffer[] = [];
  #partsBytes = 0;

  constructor(wanted: ExecRequest["read"]) {
    this.#wanted = wanted;
  }

  /** The output among these bytes, in order. Throws `EngineError` GUEST_PROTOCOL. */
  push(bytes: Buffer): { stream: OutputStream; chunk: Buffer }[] {
    const output: { stream: OutputStream; chunk: Buffer }[] = [];
    for (const frame of framed(() => this.#decoder.push(bytes))) {
      if (frame.kind === "file") {
        this.#addFile(frame.index, frame.part);
      } else {
        if (this.#files.length > 0 || this.#parts.length > 0) throw broken("output after the files");
        output.push({ stream: frame.kind, chunk: frame.chunk });
      }
    }
    return output;
  }

  /** Called when the answer has ended. Throws `EngineError` GUEST_PROTOCOL when it was not complete. */
  finish(exit: ExecExit): ExecResult {
    framed(() => this.#decoder.finish());
    if (this.#files.length !== this.#wanted.length) throw broken("not all files were sent");
    return { ...checkedExit(exit), files: this.#files };
  }

  #addFile(index: number, part: FilePart): void {
    const wanted = this.#wanted[index];
    if (wanted === undefined || index !== this.#files.length) throw broken(`file ${index} out of turn`);
    if (part.kind !== "content") {
      if (this.#parts.length > 0) throw broken("a file broken off");
      this.#files.push(part);
      return;
    }
    this.#parts.push(part.content);
    this.#partsBytes += part.content.length;
    if (this.#partsBytes > wanted.maxBytes) throw broken(`more than ${wanted.maxBytes} bytes for a file`);
    if (!part.last) return;
    this.#files.push({ kind: "content", content: Buffer.concat(this.#parts) });
    this.#parts = [];
    this.#partsBytes = 0;
  }
}

/** Exactly one of exit code, signal and failure, each in its range. Throws `EngineError` GUEST_PROTOCOL. */
export function checkedExit(exit: ExecExit): ExecExit {
  const { code, signal, failure } = exit;
  const said = [code, signal, failure].filter((part) => part !== null && part !== undefined);
  if (said.length !== 1) throw broken("an exit that is not one of code, signal and failure");
  if (code !== null && (code < 0 || code > 255)) throw broken(`exit code ${code}`);
  if (signal !== null && !/^SIG[A-Z0-9+]{1,12}$/.test(signal)) throw broken("a signal of no known form");
  return exit;
}

function framed<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof FrameError) throw broken(error.message);
    throw error;
  }
}

function broken(detail: string): EngineError {
  return new EngineError("GUEST_PROTOCOL", `The agent sent a broken answer: ${detail}`);
}
