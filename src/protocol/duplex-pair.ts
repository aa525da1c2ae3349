/**
 * Two joined byte streams in memory: what is written to one end is read from the other. Behaves as a pair of connected
 * sockets does: a writer waits when the reader does not read, ending one direction leaves the other open, and destroying one
 * end closes the other.
 */
import { Duplex } from "node:stream";

/** Bytes in flight in each direction before a writer has to wait. */
const HIGH_WATER_MARK_BYTES = 1 << 20;

export function duplexPair(): [Duplex, Duplex] {
  const left = new PairedEnd();
  const right = new PairedEnd();
  left.join(right);
  right.join(left);
  return [left, right];
}

class PairedEnd extends Duplex {
  #peer: PairedEnd | undefined;
  /** The peer's write that waits for this end to be read. */
  #heldWrite: (() => void) | undefined;
  #sinceTurnBytes = 0;

  constructor() {
    super({ readableHighWaterMark: HIGH_WATER_MARK_BYTES, writableHighWaterMark: HIGH_WATER_MARK_BYTES });
  }

  join(peer: PairedEnd): void {
    this.#peer = peer;
  }

  override _read(): void {
    // Node answers reads and writes within one turn of the loop: without a turn now and then, two ends that are both quick
    // would keep timers and sockets waiting for ever.
    if (this.#sinceTurnBytes < HIGH_WATER_MARK_BYTES) {
      this.#releaseHeldWrite();
    } else {
      this.#sinceTurnBytes = 0;
      setImmediate(() => this.#releaseHeldWrite());
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const peer = this.#peer;
    if (peer === undefined || peer.destroyed) {
      done(Object.assign(new Error("the other end of the stream is closed"), { code: "EPIPE" }));
    } else {
      peer.#heldWrite = done;
      peer.#sinceTurnBytes += chunk.length;
      peer.push(chunk);
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#peer?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#releaseHeldWrite();
    // What was written before a proper end may still be unread over there; without one the peer has nothing to wait for.
    if (!this.writableFinished) process.nextTick(() => this.#peer?.destroy());
    done(error);
  }

  #releaseHeldWrite(): void {
    const release = this.#heldWrite;
    this.#heldWrite = undefined;
    release?.();
  }
}
