/**
 * An HTTP/2 stream as a connection that Node's HTTP/1 server can be given: ends, breaks and idles as a socket does.
 * Text becomes bytes before it reaches the HTTP/2 stream: Node's HTTP/1 server writes its heads as latin1 strings, and given to
 * an HTTP/2 stream directly (seen with Node 24.21) they arrive as bytes that are not theirs.
 */
import { constants } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";

export class ConnectionStream extends Duplex {
  readonly #stream: ServerHttp2Stream;
  #idle: NodeJS.Timeout | undefined;

  constructor(stream: ServerHttp2Stream) {
    super({ decodeStrings: true });
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.#idle?.refresh();
      if (!this.push(chunk)) stream.pause();
    });
    stream.once("end", () => this.push(null));
    stream.once("error", () => this.destroy());
    stream.once("close", () => {
      // An orderly end is read to the end first.
      if (!stream.readableEnded || !this.writableFinished) this.destroy();
    });
  }

  /** As `net.Socket.setTimeout`: `timeout` is emitted, nothing is closed; 0 switches it off. */
  setTimeout(timeoutMs: number, onTimeout?: () => void): this {
    clearTimeout(this.#idle);
    this.#idle = timeoutMs === 0 ? undefined : setTimeout(() => this.emit("timeout"), timeoutMs);
    if (onTimeout !== undefined) this.once("timeout", onTimeout);
    return this;
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#idle?.refresh();
    this.#stream.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#idle);
    if (!this.#stream.closed)
      this.#stream.close(this.writableFinished ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    done(error);
  }
}
