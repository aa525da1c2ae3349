/**
 * The answer to one request as it comes: status, bytes, trailers. Listens from the moment the request is opened, because
 * Node's own async iteration of an HTTP/2 stream takes an answer that is complete before one begins to read it for one that
 * was broken off.
 */
import { constants } from "node:http2";
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { writeOrWait } from "./write-or-wait.ts";

const MAX_PIECE_BYTES = 64 << 10;

export class AnswerStream {
  readonly #stream: ClientHttp2Stream;
  #status: number | undefined;
  #trailers: IncomingHttpHeaders = {};
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
    const wake = (): void => this.#wake?.();
    stream.once("response", (headers) => {
      this.#status = headers[":status"] ?? 0;
      wake();
    });
    stream.once("trailers", (trailers) => (this.#trailers = trailers));
    stream.once("end", () => {
      // Node also ends a stream that it destroys because the connection is gone: that is no end of an answer.
      this.#ended = !stream.destroyed;
      wake();
    });
    stream.on("readable", wake);
    stream.once("close", wake);
    // The cause is the session's to know; 'close' follows.
    stream.on("error", () => undefined);
  }

  /** Sends the request's body and its end. */
  send(body: Buffer): void {
    this.#stream.end(body);
  }

  /** Sends a piece of a long body; resolves when there is room for more or no use in sending more. */
  async sendPiece(piece: Uint8Array): Promise<"more" | "enough"> {
    if (this.#finished() || this.#status !== undefined) return "enough";
    if (!this.#stream.write(piece)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#stream.once("drain", resolve);
      });
    }
    return this.#finished() || this.#status !== undefined ? "enough" : "more";
  }

  /** Sends a piece of what goes on beside the answer; resolves when there is room for more or nobody takes any. */
  sendBeside(piece: Uint8Array): Promise<void> {
    return writeOrWait(this.#stream, piece);
  }

  endBody(): void {
    this.#stream.end();
  }

  /** Undefined when the stream was closed before an answer. */
  async status(): Promise<number | undefined> {
    while (this.#status === undefined && !this.#stream.destroyed) await this.#change();
    return this.#status;
  }

  /** The next bytes, waiting for them; "end" after the last; "broken" when the stream was closed before its end. */
  async next(): Promise<Buffer | "end" | "broken"> {
    for (;;) {
      // In pieces: without a size `read` joins all that waits, up to a whole window, into one copy.
      const bytes: Buffer | null = this.#stream.destroyed ? null : this.#stream.read(this.#pieceBytes());
      if (bytes !== null) return bytes;
      if (this.#ended) return "end";
      if (this.#stream.destroyed) return "broken";
      await this.#change();
    }
  }

  /** One trailer, after the end. */
  trailer(name: string): string | undefined {
    const value = this.#trailers[name];
    return typeof value === "string" ? value : undefined;
  }

  /** Tells the guest that nobody listens any more. */
  cancel(): void {
    if (!this.#stream.destroyed) this.#stream.close();
    this.#stream.resume();
  }

  /** As `cancel`, also when the guest does not take what was sent: that would be waited for. */
  abandon(): void {
    if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#stream.resume();
  }

  #pieceBytes(): number | undefined {
    return this.#stream.readableLength > MAX_PIECE_BYTES ? MAX_PIECE_BYTES : undefined;
  }

  #finished(): boolean {
    return this.#ended || this.#stream.destroyed;
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}
