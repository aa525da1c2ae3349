import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReadBack } from "./agent-client.ts";
import { FrameDecoder, FrameError, encodeFile, encodeOutput } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { MAX_FRAME_BYTES } from "./limits.ts";

const bytes = fc.uint8Array({ minLength: 1, maxLength: 400 }).map((array) => Buffer.from(array));
const readBack: fc.Arbitrary<ReadBack> = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((array): ReadBack => ({ kind: "content", content: Buffer.from(array) })),
  fc.constant<ReadBack>({ kind: "missing" }),
  fc.maxSafeNat().map((sizeBytes): ReadBack => ({ kind: "too_large", sizeBytes })),
);

function decodeInPieces(encoded: Buffer, size: () => number): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  for (let at = 0; at < encoded.length;) {
    const piece = encoded.subarray(at, at + size());
    frames.push(...decoder.push(piece));
    at += piece.length;
  }
  decoder.finish();
  return frames;
}

function decodeAll(pieces: Uint8Array[]): Frame[] | Error {
  const decoder = new FrameDecoder();
  try {
    const frames = pieces.flatMap((piece) => decoder.push(Buffer.from(piece)));
    decoder.finish();
    return frames;
  } catch (error) {
    return error instanceof Error ? error : new Error("threw no error");
  }
}

describe("frames", () => {
  it("come back as they were sent, however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("stdout" as const, "stderr" as const), bytes)),
        fc.array(readBack, { maxLength: 5 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 300 })),
        (output, files, sizes) => {
          const encoded = Buffer.concat([
            ...output.flatMap(([stream, chunk]) => encodeOutput(stream, chunk)),
            ...files.flatMap((file, index) => encodeFile(index, file)),
          ]);
          const frames = decodeInPieces(encoded, () => sizes.next().value ?? 1);
          expect(frames).toEqual([
            ...output.map(([kind, chunk]) => ({ kind, chunk })),
            ...files.map((file, index) => ({
              kind: "file",
              index,
              part: file.kind === "content" ? { ...file, last: true } : file,
            })),
          ]);
        },
      ),
    );
  });

  it("are never larger than the limit: output and files are split", () => {
    const large = Buffer.alloc(MAX_FRAME_BYTES * 2 + 7, "z");
    for (const part of [...encodeOutput("stdout", large), ...encodeFile(0, { kind: "content", content: large })]) {
      expect(part.length).toBeLessThanOrEqual(MAX_FRAME_BYTES + 5);
    }
    const frames = decodeInPieces(Buffer.concat(encodeFile(3, { kind: "content", content: large })), () => 65_536);
    const parts = frames.map((frame) =>
      frame.kind === "file" && frame.part.kind === "content" ? frame.part : undefined,
    );
    expect(parts.map((part) => part?.last)).toEqual([false, false, true]);
    expect(Buffer.concat(parts.map((part) => part?.content ?? Buffer.alloc(0))).equals(large)).toBe(true);
  });

  it("are none for empty output", () => {
    expect(encodeOutput("stdout", Buffer.alloc(0))).toEqual([]);
  });
});

describe("a decoder given any bytes at all", () => {
  it("returns frames or throws one named error, and allocates no more than the bytes explain", () => {
    const hostile = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc
          .tuple(fc.integer({ min: 0, max: 5 }), fc.nat(0xffffffff), fc.uint8Array({ maxLength: 40 }))
          .map(([kind, length, rest]) => {
            const header = Buffer.alloc(5);
            header.writeUInt8(kind, 0);
            header.writeUInt32BE(length, 1);
            return Buffer.concat([header, rest]);
          }),
      ),
    );
    fc.assert(
      fc.property(hostile, (pieces) => {
        const outcome = decodeAll(pieces);
        expect(Array.isArray(outcome) || outcome instanceof FrameError).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ["an unknown kind", [9, 0, 0, 0, 1, 0]],
    ["a length beyond the limit", [1, 0xff, 0xff, 0xff, 0xff]],
    ["an empty piece of output", [1, 0, 0, 0, 0]],
    ["a file frame too short for its header", [3, 0, 0, 0, 2, 0, 0]],
    ["an unknown part", [3, 0, 0, 0, 3, 0, 0, 9]],
    ["an empty part with more to come", [3, 0, 0, 0, 3, 0, 0, 1]],
    ["a missing file with content", [3, 0, 0, 0, 4, 0, 0, 3, 65]],
    ["a size that is not 8 bytes", [3, 0, 0, 0, 4, 0, 0, 4, 65]],
    ["a size out of range", [3, 0, 0, 0, 11, 0, 0, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ])("refuses %s", (_name, encoded) => {
    expect(() => new FrameDecoder().push(Buffer.from(encoded))).toThrow(FrameError);
  });

  it("refuses an end within a header and within a payload", () => {
    for (const encoded of [
      [1, 0],
      [1, 0, 0, 0, 4, 65],
    ]) {
      const decoder = new FrameDecoder();
      decoder.push(Buffer.from(encoded));
      expect(() => decoder.finish()).toThrow(FrameError);
    }
  });
});
