/**
 * Bodies of requests, bounded in size and in time: small ones are read whole, uploads only pass through. A client that is too slow
 * loses its connection (SECURITY-RELIABILITY A16).
 */
import type { IncomingMessage } from "node:http";

export type ReadBody =
  | { readonly kind: "body"; readonly bytes: Buffer }
  /** 400: it broke off. The connection may be gone. */
  | { readonly kind: "refused"; readonly status: 400 | 408 | 413 };

const SMALL_BODY_MS = 30_000;
/** A body must bring so much in this time; the slowest emulated machine brings a thousand times more. */
const PROGRESS_BYTES = 1 << 10;
const PROGRESS_MS = 60_000;

/** The whole body. What comes after `maxBytes` is not kept. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<ReadBody> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return { kind: "refused", status: 413 };
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    request.destroy();
  }, SMALL_BODY_MS);
  try {
    // Left before its end when it is too long, and then it is Node that reads on, so that the answer arrives.
    const read: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
    for await (const chunk of read) {
      bytes += chunk.length;
      if (bytes > maxBytes) return { kind: "refused", status: 413 };
      chunks.push(chunk);
    }
    return { kind: "body", bytes: Buffer.concat(chunks) };
  } catch {
    return { kind: "refused", status: isLate ? 408 : 400 };
  } finally {
    clearTimeout(timer);
  }
}

/** The body as it comes. Ends the connection when it does not get on, and when it is left before its end. */
export async function* streamBody(request: IncomingMessage): AsyncGenerator<Buffer> {
  let [bytes, seen] = [0, 0];
  const timer = setInterval(() => {
    if (bytes - seen < PROGRESS_BYTES) request.destroy();
    seen = bytes;
  }, PROGRESS_MS);
  try {
    const chunks: AsyncIterable<Buffer> = request;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      yield chunk;
    }
  } finally {
    clearInterval(timer);
  }
}
