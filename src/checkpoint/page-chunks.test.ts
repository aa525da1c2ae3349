import { array, assert, constantFrom, integer, property, record, uint8Array, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { aPage } from "./machine-files.fixture.ts";
import { MAX_CHUNK_BYTES, PAGE_BYTES, cutPages } from "./page-chunks.ts";

interface Cut {
  readonly kind: "zeros" | "chunk";
  readonly bytes: Buffer;
}

/** `most`: what a read returns at once. */
function cut(content: Buffer, most = Number.MAX_SAFE_INTEGER, seed = 7): readonly Cut[] {
  let at = 0;
  const read = (into: Buffer): number => {
    const count = content.copy(into, 0, at, Math.min(content.length, at + most));
    at += count;
    return count;
  };
  const pieces: Cut[] = [];
  for (const piece of cutPages(read, seed)) {
    const bytes = piece.kind === "zeros" ? Buffer.alloc(piece.length) : Buffer.from(piece.bytes);
    pieces.push({ kind: piece.kind, bytes });
  }
  return pieces;
}

/** Runs of zero pages, of pages all alike and of pages each of its own, and an end that need be no page. */
const content = tuple(
  array(
    record({
      kind: constantFrom("zeros", "alike", "own"),
      pages: integer({ min: 1, max: 90 }),
      seed: integer({ min: 1, max: 50_000 }),
    }),
    { maxLength: 6 },
  ),
  uint8Array({ maxLength: PAGE_BYTES }),
).map(([runs, end]) =>
  Buffer.concat([
    ...runs.flatMap(({ kind, pages, seed }) =>
      Array.from({ length: pages }, (_, page) => {
        if (kind === "zeros") return Buffer.alloc(PAGE_BYTES);
        return aPage(kind === "alike" ? seed : seed + page);
      }),
    ),
    end,
  ]),
);

function ownPages(count: number, first = 1): Buffer[] {
  return Array.from({ length: count }, (_, page) => aPage(first + page));
}

function textsOf(pages: readonly Buffer[]): readonly string[] {
  return cut(Buffer.concat(pages)).map(({ bytes }) => bytes.toString("latin1"));
}

/** Zeros may come in several pieces; the chunks are the same. */
function chunkLengths(pieces: readonly Cut[]): readonly number[] {
  return pieces.filter(({ kind }) => kind === "chunk").map(({ bytes }) => bytes.length);
}

describe("cutPages", () => {
  it("gives back all bytes in order, cut only between pages, none of the chunks too long", () => {
    assert(
      property(content, integer({ min: 1, max: 3 * MAX_CHUNK_BYTES }), (bytes, most) => {
        const pieces = cut(bytes, Math.max(most, bytes.length >> 8));
        expect(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(bytes)).toBe(true);
        for (const piece of pieces.slice(0, -1)) expect(piece.bytes.length % PAGE_BYTES).toBe(0);
        for (const piece of pieces) expect(piece.bytes.length).toBeGreaterThan(0);
        for (const length of chunkLengths(pieces)) expect(length).toBeLessThanOrEqual(MAX_CHUNK_BYTES);
      }),
      { numRuns: 60 },
    );
  });

  it("cuts the same whatever a read returns at once", () => {
    assert(
      property(content, integer({ min: 1, max: MAX_CHUNK_BYTES }), (bytes, most) => {
        const few = Math.max(most, bytes.length >> 8);
        expect(chunkLengths(cut(bytes, few))).toEqual(chunkLengths(cut(bytes)));
      }),
      { numRuns: 40 },
    );
  });

  it("puts no page of zeros into a chunk", () => {
    const zeros = Buffer.alloc(PAGE_BYTES);
    assert(
      property(content, (bytes) => {
        for (const { kind, bytes: chunk } of cut(bytes)) {
          if (kind === "zeros") continue;
          for (let at = 0; at + PAGE_BYTES <= chunk.length; at += PAGE_BYTES) {
            expect(chunk.subarray(at, at + PAGE_BYTES).equals(zeros)).toBe(false);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it("cuts most alike when pages are put in or taken out", () => {
    const pages = ownPages(2000);
    const before = new Set(textsOf(pages));
    assert(
      property(
        integer({ min: 0, max: 1900 }),
        integer({ min: 0, max: 40 }),
        integer({ min: 0, max: 40 }),
        (at, taken, put) => {
          const after = textsOf([...pages.slice(0, at), ...ownPages(put, 60_000), ...pages.slice(at + taken)]);
          const fresh = after.filter((chunk) => !before.has(chunk)).reduce((sum, chunk) => sum + chunk.length, 0);
          // What was put in, and a few chunks around it.
          expect(fresh).toBeLessThanOrEqual(put * PAGE_BYTES + 8 * MAX_CHUNK_BYTES);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("makes chunks of some 64 KiB, at other places for another seed", () => {
    const bytes = Buffer.concat(ownPages(4000));
    const [lengths, others] = [7, 8].map((seed) => cut(bytes, bytes.length, seed).map((piece) => piece.bytes.length));
    const average = bytes.length / (lengths?.length ?? 0);
    expect(average).toBeGreaterThan(48 * 1024);
    expect(average).toBeLessThan(112 * 1024);
    expect(others).not.toEqual(lengths);
  });
});
