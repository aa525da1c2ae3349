/**
 * The hello that comes before HTTP/2 on any byte stream between host and guest: the host sends `HELLO <nonce>\n`, the guest
 * answers `OK <nonce>\n`. A serial port outlives the processes at its ends, so either side may first read what an older session
 * left in it: such bytes are skipped, up to a bound. The form follows Firecracker's `CONNECT <port>` / `OK <port>` (vsock.md).
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { EngineError } from "../lib/engine-error.ts";

/** More than an old session can have had in flight: its flow-control window is 16 MiB. */
export const MAX_SKIPPED_BYTES = 32 << 20;
/** Longest line looked for, and so all that has to be remembered of what was skipped. */
const MAX_LINE_BYTES = 128;

const HELLO = /HELLO ([0-9a-f]{8,64})\n/;

/**
 * Host's end. Resolves when the guest has answered; what came after its line is left in the stream. Throws `EngineError`
 * GUEST_PROTOCOL when the answer is late or drowned in other bytes, MACHINE_LOST when the stream ends first. Safe to call once.
 */
export async function greetGuest(stream: Duplex, options: { deadlineMs: number }): Promise<void> {
  const nonce = randomBytes(16).toString("hex");
  const answered = readUntilLine(stream, new RegExp(`OK (${nonce})\\n`), options.deadlineMs);
  stream.write(`HELLO ${nonce}\n`);
  await answered;
}

/** Guest's end: waits for a host, answers, and leaves what came after in the stream. Throws as `greetGuest` does. */
export async function answerGreeting(stream: Duplex, options: { deadlineMs: number }): Promise<void> {
  const nonce = await readUntilLine(stream, HELLO, options.deadlineMs);
  stream.write(`OK ${nonce}\n`);
}

/** Finds a host's hello in bytes that come piece by piece. Used where no stream exists until a host has said hello. */
export function helloScanner(): GreetingScanner {
  return new GreetingScanner(HELLO);
}

/** Whether these bytes, read at once, are a hello and nothing else: a new host has taken the place of the one before. */
export function isHello(bytes: Buffer): boolean {
  if (bytes.length > MAX_LINE_BYTES) return false;
  return HELLO.exec(bytes.toString("latin1"))?.[0].length === bytes.length;
}

/** `push` returns the line's nonce and what followed it, or undefined while the line has not come. Memory stays bounded. */
export class GreetingScanner {
  readonly #line: RegExp;
  #tail = "";
  #skippedBytes = 0;

  constructor(line: RegExp) {
    this.#line = line;
  }

  get skippedBytes(): number {
    return this.#skippedBytes;
  }

  push(bytes: Buffer): { readonly nonce: string; readonly rest: Buffer } | undefined {
    // latin1 gives one character for each byte, so that positions in the text are positions in the bytes.
    const text = this.#tail + bytes.toString("latin1");
    const match = this.#line.exec(text);
    if (match?.[1] !== undefined) {
      this.#tail = "";
      return { nonce: match[1], rest: Buffer.from(text.slice(match.index + match[0].length), "latin1") };
    }
    this.#skippedBytes += bytes.length;
    this.#tail = text.slice(-MAX_LINE_BYTES);
    return undefined;
  }
}

/** The first group of the first line that matches. Bytes before it are skipped, what comes after stays in the stream. */
export async function readUntilLine(stream: Duplex, line: RegExp, deadlineMs: number): Promise<string> {
  const scanner = new GreetingScanner(line);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const onData = (chunk: Buffer): void => {
    const found = scanner.push(chunk);
    if (found !== undefined) {
      // Paused before the rest goes back, or it would be emitted to nobody.
      stream.pause();
      stream.off("data", onData);
      if (found.rest.length > 0) stream.unshift(found.rest);
      resolve(found.nonce);
    } else if (scanner.skippedBytes > MAX_SKIPPED_BYTES) {
      reject(new EngineError("GUEST_PROTOCOL", `No greeting within ${MAX_SKIPPED_BYTES} bytes`));
    }
  };
  const onEnd = (): void => reject(new EngineError("MACHINE_LOST", "The stream to the agent ended before a greeting"));
  const onError = (cause: Error): void =>
    reject(new EngineError("MACHINE_LOST", "The stream to the agent failed before a greeting", { cause }));
  const timer = setTimeout(
    () => reject(new EngineError("GUEST_PROTOCOL", `No greeting within ${deadlineMs} ms`)),
    deadlineMs,
  );
  // An earlier greeting on the same stream has left it paused.
  stream.on("data", onData).resume();
  stream.once("end", onEnd).once("close", onEnd).once("error", onError);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stream.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", onError);
  }
}
