/**
 * Our end of one of a machine's serial ports, which outlives the sessions on it as it does in the guest (`guest/virtio-port.ts`). A
 * session is a stream from one hello to the next; its end does not close the port, and the guest learns of it by the next hello.
 * What the guest sends while there is no session is thrown away.
 */
import { randomBytes } from "node:crypto";
import { Duplex } from "node:stream";
import { EngineError } from "../../lib/engine-error.ts";
import { GreetingScanner, MAX_SKIPPED_BYTES } from "../../protocol/greeting.ts";

/** Until the hello is said again; twice as long each time. */
const FIRST_REPEAT_MS = 1000;

export class GuestPort {
  readonly #socket: Duplex;
  #session: PortSession | undefined;
  /** Of a greeting under way. */
  #greeting: { take(bytes: Buffer): void; fail(error: EngineError): void } | undefined;

  constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.once("end", () => this.#session?.push(null));
    socket.once("close", () => {
      this.#session?.destroy();
      this.#greeting?.fail(closed());
    });
  }

  /** At once. What was under way on the session is lost. */
  endSession(): void {
    this.#session?.destroy();
    this.#session = undefined;
    this.#socket.resume();
  }

  /**
   * A new session, when the guest has answered. Throws as `greetGuest` does. `again`: there has been a session, and what was left of
   * it on the way may hide the hello from the guest; so it is said until the last one said is answered.
   */
  async greet({ deadlineMs, again }: { deadlineMs: number; again: boolean }): Promise<Duplex> {
    this.endSession();
    if (this.#socket.destroyed) throw closed();
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    let repeat: NodeJS.Timeout | undefined;
    const sayHello = (repeatMs: number): void => {
      const nonce = randomBytes(16).toString("hex");
      const scanner = new GreetingScanner(new RegExp(`OK (${nonce})\\n`));
      const take = (bytes: Buffer): void => {
        const found = scanner.push(bytes);
        if (found !== undefined) resolve(this.#begin(found.rest));
        else if (scanner.skippedBytes > MAX_SKIPPED_BYTES) reject(late(`within ${MAX_SKIPPED_BYTES} bytes`));
      };
      this.#greeting = { take, fail: reject };
      this.#socket.write(`HELLO ${nonce}\n`);
      if (again) repeat = setTimeout(() => sayHello(repeatMs * 2), repeatMs);
    };
    sayHello(FIRST_REPEAT_MS);
    const timer = setTimeout(() => reject(late(`within ${deadlineMs} ms`)), deadlineMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      clearTimeout(repeat);
      this.#greeting = undefined;
    }
  }

  #begin(first: Buffer): Duplex {
    this.#greeting = undefined;
    const session = new PortSession(this.#socket, () => {
      if (this.#session !== session) return;
      this.#session = undefined;
      this.#socket.resume();
    });
    this.#session = session;
    if (first.length > 0) this.#receive(first);
    return session;
  }

  #receive(bytes: Buffer): void {
    if (this.#session === undefined) this.#greeting?.take(bytes);
    else if (!this.#session.push(bytes)) this.#socket.pause();
  }
}

class PortSession extends Duplex {
  readonly #socket: Duplex;
  readonly #onEnd: () => void;

  constructor(socket: Duplex, onEnd: () => void) {
    super();
    this.#socket = socket;
    this.#onEnd = onEnd;
    // Whoever uses the session learns of its end by 'close'.
    this.on("error", () => undefined);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#onEnd();
    done(error);
  }
}

function closed(): EngineError {
  return new EngineError("MACHINE_LOST", "The stream to the agent ended before a greeting");
}

function late(bound: string): EngineError {
  return new EngineError("GUEST_PROTOCOL", `No greeting ${bound}`);
}
