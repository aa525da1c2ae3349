/** Lets at most so many bytes of a stream through; breaks it at the first that is too many. Behind a decompressor it bounds what comes out. */
import { Transform } from "node:stream";
import type { TransformCallback } from "node:stream";

export class ByteLimit extends Transform {
  readonly #bytes: number;
  #left: number;

  constructor(bytes: number) {
    super();
    this.#bytes = bytes;
    this.#left = bytes;
  }

  /** More came than may: the reason why the stream broke. */
  get isExceeded(): boolean {
    return this.#left < 0;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#left -= chunk.length;
    if (this.isExceeded) done(new Error(`it is larger than ${this.#bytes} bytes`));
    else done(null, chunk);
  }
}
