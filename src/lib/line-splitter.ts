/**
 * Bytes to lines, whatever way they were cut into chunks. A line ends at LF, CR LF or a lone CR, as .NET's `ReadLine`
 * (which GitHub's runner reads output with) has it; so UTF-8 is decoded a whole line at a time and no character is ever split.
 * A line longer than `maxBytes` keeps its beginning and counts the rest: memory is bounded, time stays linear.
 */

export interface Line {
  readonly text: string;
  /** Bytes at the end of the line that were not kept; 0 for a whole line. */
  readonly droppedBytes: number;
}

const LF = 10;
const CR = 13;
const FIRST_CAPACITY_BYTES = 4096;

export class LineSplitter {
  readonly #maxBytes: number;
  #pending = Buffer.alloc(0);
  #pendingBytes = 0;
  #droppedBytes = 0;
  /** The last chunk ended with CR: an LF at the start of the next belongs to it. */
  #afterCarriageReturn = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Lines that this chunk completes, in order, made as they are asked for. Must be run to its end before the next call. */
  *push(chunk: Buffer): Generator<Line, undefined> {
    let start = this.#afterCarriageReturn && chunk[0] === LF ? 1 : 0;
    if (chunk.length > 0) this.#afterCarriageReturn = false;
    let lf = chunk.indexOf(LF, start);
    let cr = chunk.indexOf(CR, start);
    while (lf !== -1 || cr !== -1) {
      const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr;
      yield this.#complete(chunk, start, end);
      start = end + 1;
      if (end === cr) {
        if (start === chunk.length) this.#afterCarriageReturn = true;
        else if (chunk[start] === LF) start++;
      }
      if (lf !== -1 && lf < start) lf = chunk.indexOf(LF, start);
      if (cr !== -1 && cr < start) cr = chunk.indexOf(CR, start);
    }
    this.#keep(chunk, start, chunk.length);
    return undefined;
  }

  /** The last line when it had no line end; undefined when there is nothing left. */
  end(): Line | undefined {
    this.#afterCarriageReturn = false;
    return this.#pendingBytes === 0 ? undefined : this.#flush();
  }

  #complete(chunk: Buffer, start: number, end: number): Line {
    if (this.#pendingBytes === 0 && end - start <= this.#maxBytes) {
      return { text: chunk.toString("utf8", start, end), droppedBytes: 0 };
    }
    this.#keep(chunk, start, end);
    return this.#flush();
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const bytes = Math.min(end - start, this.#maxBytes - this.#pendingBytes);
    this.#reserve(this.#pendingBytes + bytes);
    chunk.copy(this.#pending, this.#pendingBytes, start, start + bytes);
    this.#pendingBytes += bytes;
    this.#droppedBytes += end - start - bytes;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#pending.length) return;
    const grown = Buffer.allocUnsafe(
      Math.min(this.#maxBytes, Math.max(bytes, FIRST_CAPACITY_BYTES, 2 * this.#pending.length)),
    );
    this.#pending.copy(grown, 0, 0, this.#pendingBytes);
    this.#pending = grown;
  }

  #flush(): Line {
    const kept = this.#droppedBytes === 0 ? this.#pendingBytes : characterBorder(this.#pending, this.#pendingBytes);
    const line = {
      text: this.#pending.toString("utf8", 0, kept),
      droppedBytes: this.#droppedBytes + this.#pendingBytes - kept,
    };
    this.#pendingBytes = 0;
    this.#droppedBytes = 0;
    return line;
  }
}

/** The largest place at or before `end` where `bytes` can be cut without cutting a UTF-8 character in two. */
export function characterBorder(bytes: Uint8Array, end: number): number {
  let lead = end - 1;
  while (lead > 0 && end - lead < 4 && isContinuation(bytes[lead])) lead--;
  return lead >= 0 && lead + characterBytes(bytes[lead]) > end ? lead : end;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

function characterBytes(lead: number | undefined): number {
  if (lead === undefined || lead < 0xc0) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}
