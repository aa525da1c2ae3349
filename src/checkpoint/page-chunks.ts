/**
 * Cuts a file into pieces between pages, at places that the pages' content chooses: pages put in or taken out move no cut but those near
 * them, so that what a machine's memory holds alike at two moments is cut alike. Pages of zeros are told apart and carry no bytes.
 * The cuts depend on `seed`, which only who has the key knows.
 */

export const PAGE_BYTES = 4096;
/** Of a chunk that no zeros and no end of file cut short. */
const MIN_PAGES = 4;
const MAX_PAGES = 64;
/** One page in so many ends a chunk. */
const ONE_IN = 16;
/** Every eighth word of a page chooses: a change elsewhere in it moves no cut. */
const WORD_STEP = 8;

export const MAX_CHUNK_BYTES = MAX_PAGES * PAGE_BYTES;

export type Piece =
  | { readonly kind: "zeros"; readonly length: number }
  /** The bytes are good until the next piece is asked for. */
  | { readonly kind: "chunk"; readonly bytes: Buffer };

/** `read` fills the beginning of what it is given and returns how much it filled; 0 at the end. Pieces come in order and without gaps. */
export function* cutPages(read: (into: Buffer) => number, seed: number): Generator<Piece> {
  // Of its own, so that its words are aligned.
  const memory = new ArrayBuffer(16 * MAX_CHUNK_BYTES);
  const buffer = Buffer.from(memory);
  const words = new Uint32Array(memory);
  let start = 0;
  let end = 0;
  let isLast = false;
  while (!isLast || start < end) {
    buffer.copyWithin(0, start, end);
    [start, end] = [0, end - start];
    while (!isLast && end < buffer.length) {
      const count = read(buffer.subarray(end));
      isLast = count === 0;
      end += count;
    }
    // What is left short of a chunk waits for what follows it.
    const least = isLast ? 1 : MAX_CHUNK_BYTES;
    while (end - start >= least) {
      const zeros = zerosAt(buffer, start, end);
      const length = zeros > 0 ? zeros : chunkAt(buffer, words, start, end, seed);
      yield zeros > 0 ? { kind: "zeros", length } : { kind: "chunk", bytes: buffer.subarray(start, start + length) };
      start += length;
    }
  }
}

const ZEROS = Buffer.alloc(PAGE_BYTES);

/** Length of the whole pages of zeros there; what a file ends with may be less than a page. */
function zerosAt(buffer: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isZero(buffer, at, end)) at = Math.min(end, at + PAGE_BYTES);
  return at - start;
}

function isZero(buffer: Buffer, at: number, end: number): boolean {
  if (buffer[at] !== 0) return false;
  const length = Math.min(PAGE_BYTES, end - at);
  return buffer.compare(ZEROS, 0, length, at, at + length) === 0;
}

function chunkAt(buffer: Buffer, words: Uint32Array, start: number, end: number, seed: number): number {
  const most = Math.min(end, start + MAX_CHUNK_BYTES);
  for (let at = start; at < most; at += PAGE_BYTES) {
    if (at > start && isZero(buffer, at, end)) return at - start;
    const pages = (at - start) / PAGE_BYTES + 1;
    if (pages >= MIN_PAGES && at + PAGE_BYTES <= most && endsChunk(words, at, seed)) return at + PAGE_BYTES - start;
  }
  return most - start;
}

/** Multiplications with odd numbers, as in MurmurHash3: the upper bits depend on all words. */
function endsChunk(words: Uint32Array, at: number, seed: number): boolean {
  let hash = seed;
  const first = at / 4;
  for (let index = first; index < first + PAGE_BYTES / 4; index += WORD_STEP) {
    hash = Math.imul(hash ^ (words[index] ?? 0), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  return (Math.imul(hash, 0xc2b2ae35) >>> 8) % ONE_IN === 0;
}
