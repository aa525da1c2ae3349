/**
 * Output frames, the body of an `/exec` answer: 1 byte kind, 4 bytes big-endian payload length, payload.
 *   1 stdout, 2 stderr   payload: the bytes, at least one
 *   3 file               payload: 2 bytes index into the request's `read`, 1 byte part, then the part's own bytes
 * Parts of a file: 1 content with more to come, 2 last content, 3 missing, 4 too large (8 bytes size).
 * The decoder reads what a hostile guest sent: a length is checked before anything is allocated for it, and whatever the bytes
 * are it returns frames or throws `FrameError`.
 */
import type { OutputStream, ReadBack } from "./agent-client.ts";
import { MAX_FRAME_BYTES } from "./limits.ts";

export type FilePart =
  | { readonly kind: "content"; readonly content: Buffer; readonly last: boolean }
  | { readonly kind: "missing" }
  | { readonly kind: "too_large"; readonly sizeBytes: number };

export type Frame =
  | { readonly kind: OutputStream; readonly chunk: Buffer }
  | { readonly kind: "file"; readonly index: number; readonly part: FilePart };

/** The bytes are not frames. Thrown once; the decoder is of no use afterwards. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const HEADER_BYTES = 5;
const FILE_HEADER_BYTES = 3;
const STDOUT = 1;
const STDERR = 2;
const FILE = 3;
const CONTENT_MORE = 1;
const CONTENT_LAST = 2;
const MISSING = 3;
const TOO_LARGE = 4;

/** Frames for one piece of output; none for an empty piece. */
export function encodeOutput(stream: OutputStream, bytes: Buffer): Buffer[] {
  const kind = stream === "stdout" ? STDOUT : STDERR;
  return slices(bytes, MAX_FRAME_BYTES).map((payload) => frame(kind, payload));
}

/** Frames for one file of the request's `read`. */
export function encodeFile(index: number, file: ReadBack): Buffer[] {
  if (file.kind === "missing") return [frame(FILE, fileHeader(index, MISSING))];
  if (file.kind === "too_large") {
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(file.sizeBytes));
    return [frame(FILE, fileHeader(index, TOO_LARGE), size)];
  }
  const parts = file.content.length === 0 ? [file.content] : slices(file.content, MAX_FRAME_BYTES - FILE_HEADER_BYTES);
  return parts.map((part, n) =>
    frame(FILE, fileHeader(index, n === parts.length - 1 ? CONTENT_LAST : CONTENT_MORE), part),
  );
}

/** Turns bytes that come in pieces of any size into frames. Holds at most one frame. */
export class FrameDecoder {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  #payload: Buffer | undefined;
  #payloadFilled = 0;

  push(bytes: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#payload === undefined) {
        const taken = bytes.copy(this.#header, this.#headerFilled, at);
        this.#headerFilled += taken;
        at += taken;
        if (this.#headerFilled < HEADER_BYTES) break;
        const length = payloadLength(this.#header);
        if (bytes.length - at >= length) {
          frames.push(parseFrame(this.#header.readUInt8(0), bytes.subarray(at, at + length)));
          at += length;
          this.#headerFilled = 0;
        } else {
          this.#payload = Buffer.allocUnsafe(length);
          this.#payloadFilled = 0;
        }
      } else {
        const taken = bytes.copy(this.#payload, this.#payloadFilled, at);
        this.#payloadFilled += taken;
        at += taken;
        if (this.#payloadFilled < this.#payload.length) break;
        frames.push(parseFrame(this.#header.readUInt8(0), this.#payload));
        this.#payload = undefined;
        this.#headerFilled = 0;
      }
    }
    return frames;
  }

  /** Called at the end of the bytes; throws when they end within a frame. */
  finish(): void {
    if (this.#headerFilled > 0) throw new FrameError("the output ends within a frame");
  }
}

function payloadLength(header: Buffer): number {
  const kind = header.readUInt8(0);
  const length = header.readUInt32BE(1);
  if (kind !== STDOUT && kind !== STDERR && kind !== FILE) throw new FrameError(`frame of unknown kind ${kind}`);
  if (length > MAX_FRAME_BYTES) throw new FrameError(`frame of ${length} bytes, more than ${MAX_FRAME_BYTES}`);
  // Empty frames would let a guest keep the host busy without ever being held back by flow control.
  if (length < (kind === FILE ? FILE_HEADER_BYTES : 1)) throw new FrameError(`frame of ${length} bytes`);
  return length;
}

function parseFrame(kind: number, payload: Buffer): Frame {
  if (kind === STDOUT) return { kind: "stdout", chunk: payload };
  if (kind === STDERR) return { kind: "stderr", chunk: payload };
  return {
    kind: "file",
    index: payload.readUInt16BE(0),
    part: parseFilePart(payload.readUInt8(2), payload.subarray(FILE_HEADER_BYTES)),
  };
}

function parseFilePart(part: number, bytes: Buffer): FilePart {
  switch (part) {
    case CONTENT_MORE:
      if (bytes.length === 0) throw new FrameError("empty part of a file with more to come");
      return { kind: "content", content: bytes, last: false };
    case CONTENT_LAST:
      return { kind: "content", content: bytes, last: true };
    case MISSING:
      if (bytes.length > 0) throw new FrameError("a missing file with content");
      return { kind: "missing" };
    case TOO_LARGE: {
      if (bytes.length !== 8) throw new FrameError("the size of a file is not 8 bytes");
      const size = bytes.readBigUInt64BE(0);
      if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new FrameError("the size of a file is out of range");
      return { kind: "too_large", sizeBytes: Number(size) };
    }
    default:
      throw new FrameError(`file part of unknown kind ${part}`);
  }
}

function fileHeader(index: number, part: number): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  header.writeUInt16BE(index, 0);
  header.writeUInt8(part, 2);
  return header;
}

function frame(kind: number, ...payload: Buffer[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(
    payload.reduce((sum, part) => sum + part.length, 0),
    1,
  );
  return Buffer.concat([header, ...payload]);
}

function slices(bytes: Buffer, size: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
  return parts;
}
