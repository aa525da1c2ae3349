/**
 * Sessions with a host over a virtio-serial port. The port is one character device that outlives hosts: reading 0 bytes means
 * that none is connected, and what a session left in it is still there for the next. So every host says hello first
 * (`protocol/greeting.ts`), and a hello in the middle of a session ends it, because another host has come.
 * libuv's sockets refuse character devices, hence plain reads and writes on one descriptor.
 */
import { read, readFileSync, readdirSync, write } from "node:fs";
import { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { helloScanner, isHello } from "../protocol/greeting.ts";

const READ_BYTES = 64 << 10;
/** Between looks for a host or for room in the port. */
const RETRY_MS = 3;
const BUFFERED_BYTES = 1 << 20;

const readSome = promisify(read);
const writeSome = promisify(write);

/** Path of the port that QEMU or the kernel gave this name, if there is one. */
export function findVirtioPort(name: string): string | undefined {
  const ports = "/sys/class/virtio-ports";
  let entries: string[];
  try {
    entries = readdirSync(ports);
  } catch {
    // No such directory: the machine has no virtio-serial device.
    return undefined;
  }
  const entry = entries.find((entry) => readFileSync(`${ports}/${entry}/name`, "utf8").trim() === name);
  return entry === undefined ? undefined : `/dev/${entry}`;
}

/** Gives each host that says hello a stream of its own, one at a time. Runs until `signal`; throws when the port breaks. */
export async function acceptHosts(fd: number, serve: (session: Duplex) => void, signal: AbortSignal): Promise<void> {
  const port = new Port(fd);
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let scanner = helloScanner();
  let session: PortSession | undefined;
  while (!signal.aborted) {
    const length = await port.read(buffer);
    if (length === 0) session?.destroy();
    if (length === undefined || length === 0) {
      await delay(RETRY_MS);
      continue;
    }
    const bytes = Buffer.from(buffer.subarray(0, length));
    if (session !== undefined && isHello(bytes)) session.destroy();
    if (session !== undefined && !session.destroyed) {
      await session.receive(bytes);
      continue;
    }
    const hello = scanner.push(bytes);
    if (hello === undefined) continue;
    scanner = helloScanner();
    await port.write(Buffer.from(`OK ${hello.nonce}\n`));
    session = new PortSession(port);
    serve(session);
    if (hello.rest.length > 0) await session.receive(hello.rest);
  }
  session?.destroy();
}

/** The descriptor. Writes follow one another, so that an answer to a new host comes after what an old session was writing. */
class Port {
  readonly #fd: number;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Bytes read; 0: no host; undefined: nothing there yet. */
  async read(buffer: Buffer): Promise<number | undefined> {
    try {
      return (await readSome(this.#fd, buffer, 0, buffer.length, null)).bytesRead;
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
  }

  /** Gives up between two pieces when `abandoned` says so. */
  write(bytes: Buffer, abandoned: () => boolean = () => false): Promise<void> {
    const written = this.#lastWrite.then(() => this.#writeAll(bytes, abandoned));
    this.#lastWrite = written.catch(() => undefined);
    return written;
  }

  async #writeAll(bytes: Buffer, abandoned: () => boolean): Promise<void> {
    for (let at = 0; at < bytes.length && !abandoned();) {
      try {
        at += (await writeSome(this.#fd, bytes, at, bytes.length - at, null)).bytesWritten;
      } catch (error) {
        if (!isBusy(error)) throw error;
        await delay(RETRY_MS);
      }
    }
  }
}

class PortSession extends Duplex {
  readonly #port: Port;
  #roomAgain: (() => void) | undefined;

  constructor(port: Port) {
    super({ readableHighWaterMark: BUFFERED_BYTES, writableHighWaterMark: BUFFERED_BYTES });
    this.#port = port;
    // Whoever uses the session learns of its end by 'close'.
    this.on("error", () => undefined);
  }

  /** Resolves when there is room for more. */
  async receive(bytes: Buffer): Promise<void> {
    if (this.push(bytes) || this.destroyed) return;
    await new Promise<void>((resolve) => (this.#roomAgain = resolve));
  }

  override _read(): void {
    this.#release();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#release();
    done(error);
  }

  #send(bytes: Buffer, done: (error?: Error | null) => void): void {
    this.#port.write(bytes, () => this.destroyed).then(() => done(), done);
  }

  #release(): void {
    const release = this.#roomAgain;
    this.#roomAgain = undefined;
    release?.();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EAGAIN" || error.code === "EINTR");
}
