/**
 * Finds where any of many patterns stand in a text (Aho-Corasick). Time is linear in the text however many patterns there are
 * and however they are chosen; memory is 30 to 45 bytes for each distinct prefix of a pattern.
 * Most text holds no pattern at all, so a table of what stands at the patterns' beginnings is asked before the automaton is started.
 */

/** Half-open: `start` to before `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

const ROOT = 0;
const GRAM = 3;
const MAX_WINDOW = 8;
const MAX_GRAMS = 1 << 20;

export class Automaton {
  readonly patterns: readonly string[];
  /** Characters of all patterns: what building it cost. */
  readonly size: number;

  // Edges of the trie, in a hash table with open addressing: (node, character) to child. A child is never the root, so 0 is "none".
  readonly #slotMask: number;
  readonly #edgeNode: Int32Array;
  readonly #edgeCharacter: Uint16Array;
  readonly #edgeChild: Int32Array;
  /** For each node, the node of its longest proper suffix that is in the trie. */
  readonly #fail: Int32Array;
  readonly #depth: Int32Array;
  /** For each node, the length of the longest pattern that ends there; it covers every shorter one. */
  readonly #match: Int32Array;
  /** Characters that every pattern has for certain, and by their hash the grams that stand in those of any pattern. */
  readonly #window: number;
  readonly #grams: Uint8Array;

  /** Patterns are not empty. */
  constructor(patterns: readonly string[]) {
    this.patterns = patterns;
    this.size = patterns.reduce((sum, pattern) => sum + pattern.length, 0);
    const nodes = 1 + countPrefixes(patterns);
    const slots = powerOfTwoAtLeast(1.5 * nodes);
    this.#slotMask = slots - 1;
    this.#edgeNode = new Int32Array(slots);
    this.#edgeCharacter = new Uint16Array(slots);
    this.#edgeChild = new Int32Array(slots);
    this.#fail = new Int32Array(nodes);
    this.#depth = new Int32Array(nodes);
    this.#match = new Int32Array(nodes);
    this.#window = patterns.reduce((least, pattern) => Math.min(least, pattern.length), MAX_WINDOW);
    this.#grams = new Uint8Array(powerOfTwoAtLeast(Math.min(MAX_GRAMS, 256 * patterns.length)));
    this.#link(this.#insertAll(nodes));
  }

  /**
   * Appends to `found` where patterns stand in `text`: apart from each other, in order; overlapping and touching ones made one.
   * Returns how many characters at the end of `text` are the beginning of a pattern (the longest such).
   */
  scan(text: string, found: Range[]): number {
    const first = found.length;
    let node = ROOT;
    let index = 0;
    while (index < text.length) {
      if (node === ROOT) index = this.#nextStart(text, index);
      node = this.#next(node, text.charCodeAt(index));
      index++;
      const length = valueAt(this.#match, node);
      if (length > 0) append(found, first, index - length, index);
    }
    return valueAt(this.#depth, node);
  }

  /**
   * A place at or after `from` before which no pattern starts. An occurrence spans the whole window of `#window` characters
   * that all patterns have, so looking at one gram in each stretch of that length finds it.
   */
  #nextStart(text: string, from: number): number {
    const grams = this.#grams;
    const mask = grams.length - 1;
    const stretch = this.#window - GRAM;
    if (stretch < 0) return from;
    const last = text.length - GRAM;
    for (let index = from + stretch; index <= last; index += stretch + 1) {
      if (grams[gramHash(text, index) & mask] !== 0) return index - stretch;
    }
    // The last stretch may be too short to be looked at; what starts in it is at most the beginning of a pattern.
    return Math.max(from, text.length - this.#window);
  }

  #next(from: number, character: number): number {
    let node = from;
    for (;;) {
      const child = valueAt(this.#edgeChild, this.#slot(node, character));
      if (child !== 0 || node === ROOT) return child;
      node = valueAt(this.#fail, node);
    }
  }

  /** Where the edge stands, or where it would. */
  #slot(node: number, character: number): number {
    let hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(character + 1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let slot = (hash ^ (hash >>> 13)) & this.#slotMask;
    while (this.#edgeChild[slot] !== 0 && (this.#edgeNode[slot] !== node || this.#edgeCharacter[slot] !== character)) {
      slot = (slot + 1) & this.#slotMask;
    }
    return slot;
  }

  #insertAll(nodes: number): Trie {
    const trie: Trie = { count: 1, parent: new Int32Array(nodes), character: new Uint16Array(nodes) };
    for (const pattern of this.patterns) {
      for (let index = 0; index <= this.#window - GRAM; index++)
        this.#grams[gramHash(pattern, index) & (this.#grams.length - 1)] = 1;
      this.#insert(pattern, trie);
    }
    return trie;
  }

  #insert(pattern: string, trie: Trie): void {
    let node = ROOT;
    for (let index = 0; index < pattern.length; index++) {
      const character = pattern.charCodeAt(index);
      const slot = this.#slot(node, character);
      let child = valueAt(this.#edgeChild, slot);
      if (child === 0) {
        child = trie.count++;
        this.#edgeNode[slot] = node;
        this.#edgeCharacter[slot] = character;
        this.#edgeChild[slot] = child;
        trie.parent[child] = node;
        trie.character[child] = character;
        this.#depth[child] = index + 1;
      }
      node = child;
    }
    this.#match[node] = pattern.length;
  }

  /** Shallow nodes first: a node's suffixes are shorter than it and must be linked before it. */
  #link(trie: Trie): void {
    for (const node of this.#byDepth()) {
      const parent = valueAt(trie.parent, node);
      const fail = parent === ROOT ? ROOT : this.#next(valueAt(this.#fail, parent), valueAt(trie.character, node));
      this.#fail[node] = fail;
      if (this.#match[node] === 0) this.#match[node] = valueAt(this.#match, fail);
    }
  }

  /** All nodes but the root. */
  #byDepth(): Int32Array {
    const deepest = this.#depth.reduce((most, depth) => Math.max(most, depth), 0);
    const place = new Int32Array(deepest + 2);
    for (let node = 1; node < this.#depth.length; node++) increment(place, valueAt(this.#depth, node) + 1);
    for (let depth = 1; depth < place.length; depth++) place[depth] = valueAt(place, depth) + valueAt(place, depth - 1);
    const order = new Int32Array(this.#depth.length - 1);
    for (let node = 1; node < this.#depth.length; node++) {
      order[increment(place, valueAt(this.#depth, node))] = node;
    }
    return order;
  }
}

interface Trie {
  count: number;
  readonly parent: Int32Array;
  readonly character: Uint16Array;
}

/** How many distinct prefixes the patterns have: the nodes of their trie. In sorted order only neighbours share any. */
function countPrefixes(patterns: readonly string[]): number {
  let count = 0;
  let previous = "";
  for (const pattern of patterns.toSorted((a, b) => (a < b ? -1 : 1))) {
    let shared = 0;
    while (shared < pattern.length && pattern.charCodeAt(shared) === previous.charCodeAt(shared)) shared++;
    count += pattern.length - shared;
    previous = pattern;
  }
  return count;
}

/** Ranges come in the order of their ends, so a new one can only swallow or lengthen the last ones of its scan. */
function append(found: Range[], first: number, start: number, end: number): void {
  let from = start;
  for (let last = found.at(-1); found.length > first && last !== undefined && last.end >= from; last = found.at(-1)) {
    from = Math.min(from, last.start);
    found.pop();
  }
  found.push({ start: from, end });
}

function gramHash(text: string, index: number): number {
  let hash = Math.imul(text.charCodeAt(index), 0x9e3779b1);
  hash = Math.imul(hash ^ text.charCodeAt(index + 1), 0x85ebca6b);
  hash = Math.imul(hash ^ text.charCodeAt(index + 2), 0xc2b2ae35);
  return hash ^ (hash >>> 15);
}

/** Indexes here are in range by construction; the type of an element does not know. */
function valueAt(array: Int32Array | Uint16Array, index: number): number {
  return array[index] ?? 0;
}

/** Returns the value before. */
function increment(array: Int32Array, index: number): number {
  const value = valueAt(array, index);
  array[index] = value + 1;
  return value;
}

function powerOfTwoAtLeast(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}
