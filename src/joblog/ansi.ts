/**
 * Takes terminal control sequences out of a text, remembering where each remaining character stood. Programs colour their
 * output, so a secret or a compiler's message may arrive with codes in its middle. Linear, also for sequences that never end.
 * Covers CSI (`ESC [ … m` and the like), the string sequences (OSC 8 links, titles) and two-character escapes.
 */

export interface WithoutAnsi {
  readonly text: string;
  /** For each character of `text`, its index in the original. */
  readonly offsets: Int32Array;
}

const ESC = "\u001b";
const BEL = "\u0007";
const STRING_TERMINATOR = `${ESC}\\`;
/** Introduces a string that ends with BEL or `ESC \`: OSC, DCS, APC, PM, SOS. */
const STRING_INTRODUCERS = "]P_^X";

export function hasAnsi(text: string): boolean {
  return text.includes(ESC);
}

export function stripAnsi(text: string): string {
  return hasAnsi(text) ? withoutAnsi(text).text : text;
}

export function withoutAnsi(text: string): WithoutAnsi {
  const offsets = new Int32Array(text.length);
  const kept: string[] = [];
  const terminators = new TerminatorSearch(text);
  let length = 0;
  let from = 0;
  while (from < text.length) {
    const escape = text.indexOf(ESC, from);
    const to = escape === -1 ? text.length : escape;
    for (let index = from; index < to; index++) offsets[length++] = index;
    kept.push(text.slice(from, to));
    from = escape === -1 ? text.length : endOfSequence(text, escape, terminators);
  }
  return { text: kept.join(""), offsets: offsets.subarray(0, length) };
}

function endOfSequence(text: string, escape: number, terminators: TerminatorSearch): number {
  const introducer = text.charAt(escape + 1);
  if (introducer === "[") return endOfControlSequence(text, escape + 2);
  if (introducer !== "" && STRING_INTRODUCERS.includes(introducer)) return terminators.endAfter(escape + 2);
  return Math.min(escape + 2, text.length);
}

/** Parameters and intermediates are 0x20-0x3f, the final byte 0x40-0x7e; anything else breaks the sequence off. */
function endOfControlSequence(text: string, from: number): number {
  let index = from;
  while (index < text.length && isBetween(text.charCodeAt(index), 0x20, 0x3f)) index++;
  return isBetween(text.charCodeAt(index), 0x40, 0x7e) ? index + 1 : index;
}

function isBetween(code: number, low: number, high: number): boolean {
  return code >= low && code <= high;
}

/** Remembers the next terminators, so that a text full of unended strings is not searched once for each of them. */
class TerminatorSearch {
  readonly #text: string;
  #bell = -2;
  #terminator = -2;

  constructor(text: string) {
    this.#text = text;
  }

  /** Where a string that starts at `from` ends; `from` itself when nothing ends it, so that what follows stays visible. */
  endAfter(from: number): number {
    if (this.#bell !== -1 && this.#bell < from) this.#bell = this.#text.indexOf(BEL, from);
    if (this.#terminator !== -1 && this.#terminator < from) {
      this.#terminator = this.#text.indexOf(STRING_TERMINATOR, from);
    }
    const bell = this.#bell === -1 ? Infinity : this.#bell + BEL.length;
    const terminator = this.#terminator === -1 ? Infinity : this.#terminator + STRING_TERMINATOR.length;
    const end = Math.min(bell, terminator);
    return end === Infinity ? from : end;
  }
}
