/**
 * What the host sends to `/shell`: 1 byte kind, 4 bytes big-endian payload length, payload. The end of the body is the end of input.
 *   1 opening   payload: ShellRequest as JSON; first, and only once
 *   2 input     payload: the bytes that were typed, at least one
 *   3 size      payload: 2 bytes columns, 2 bytes rows
 * The way back needs no frames: a terminal has one stream.
 */
import type { ShellRequest, TerminalSize } from "./agent-api.ts";
import { MAX_REQUEST_BYTES, MAX_SHELL_INPUT_BYTES } from "./limits.ts";

export type ShellInput =
  | { readonly kind: "input"; readonly bytes: Buffer }
  | { readonly kind: "size"; readonly size: TerminalSize };

export type ShellFrame = ShellInput | { readonly kind: "opening"; readonly json: string };

const HEADER_BYTES = 5;
const OPENING = 1;
const INPUT = 2;
const SIZE = 3;
const SIZE_BYTES = 4;

export function encodeOpening(request: ShellRequest): Buffer {
  return frame(OPENING, Buffer.from(JSON.stringify(request)));
}

/** Frames for some input; none for nothing. */
export function encodeInput(bytes: Uint8Array): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += MAX_SHELL_INPUT_BYTES) {
    frames.push(frame(INPUT, bytes.subarray(at, at + MAX_SHELL_INPUT_BYTES)));
  }
  return frames;
}

export function encodeSize({ columns, rows }: TerminalSize): Buffer {
  const payload = Buffer.alloc(SIZE_BYTES);
  payload.writeUInt16BE(columns, 0);
  payload.writeUInt16BE(rows, 2);
  return frame(SIZE, payload);
}

/** The frames among bytes that come in pieces of any size. Throws a plain `Error` for what is none. Holds at most one frame. */
export async function* decodeShellFrames(pieces: AsyncIterable<Buffer>): AsyncGenerator<ShellFrame> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let wantedBytes = HEADER_BYTES;
  let isOpen = false;
  for await (const piece of pieces) {
    held.push(piece);
    heldBytes += piece.length;
    while (heldBytes >= wantedBytes) {
      const bytes = held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held, heldBytes);
      const length = payloadLength(bytes, isOpen);
      wantedBytes = HEADER_BYTES + length;
      held = [bytes];
      if (heldBytes < wantedBytes) break;
      yield parseFrame(bytes.readUInt8(0), bytes.subarray(HEADER_BYTES, wantedBytes));
      isOpen = true;
      held = [bytes.subarray(wantedBytes)];
      heldBytes -= wantedBytes;
      wantedBytes = HEADER_BYTES;
    }
  }
  if (heldBytes > 0) throw new Error("the input ends within a frame");
}

function payloadLength(header: Buffer, isOpen: boolean): number {
  const kind = header.readUInt8(0);
  const length = header.readUInt32BE(1);
  if (kind === OPENING ? isOpen : !isOpen) throw new Error(`frame of kind ${kind} out of turn`);
  const most = { [OPENING]: MAX_REQUEST_BYTES, [INPUT]: MAX_SHELL_INPUT_BYTES, [SIZE]: SIZE_BYTES }[kind];
  if (most === undefined) throw new Error(`frame of unknown kind ${kind}`);
  if (length > most || length < (kind === SIZE ? SIZE_BYTES : 1)) throw new Error(`frame of ${length} bytes`);
  return length;
}

function parseFrame(kind: number, payload: Buffer): ShellFrame {
  if (kind === OPENING) return { kind: "opening", json: payload.toString() };
  if (kind === INPUT) return { kind: "input", bytes: payload };
  const [columns, rows] = [payload.readUInt16BE(0), payload.readUInt16BE(2)];
  if (columns === 0 || rows === 0) throw new Error("a terminal without columns or rows");
  return { kind: "size", size: { columns, rows } };
}

function frame(kind: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}
