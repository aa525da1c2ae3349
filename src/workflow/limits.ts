/**
 * What a YAML file may weigh, checked before the parser sees it and again on its result, so that no text of a stranger
 * can exhaust the host: size and nesting from the text alone, aliases, nodes and bytes from the parsed nodes.
 * The numbers, the way of counting and the messages are GitHub's (actions/runner, `ParseOptions`, `YamlObjectReader`,
 * `TemplateMemory`), the ones for aliases and for the text's nesting ours. ACTIONS-CONTRACT §1.5, SPECIFICATION "Limits".
 */
import { type Document, isAlias, isCollection, isNode, isPair, isScalar, type LineCounter } from "yaml";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";
import { deepestNesting } from "./nesting.ts";

export interface ReadLimits {
  /** Characters, as GitHub counts them: UTF-16 units. */
  readonly characters: number;
  /** Of mappings and sequences in one another. */
  readonly depth: number;
  /** Of the values a file comes to, as GitHub weighs them. Those of called workflows are added up (`call-limits.ts`). */
  readonly sizeBytes: number;
}

export const READ_LIMITS: ReadLimits = { characters: 1_048_576, depth: 50, sizeBytes: 10 * 1_048_576 };

/** Of brackets and indentation in the text; well beyond what GitHub accepts, well below what a stack bears. */
const TEXT_DEPTH = 100;
const ALIASES = 1_000;
/** What GitHub's reader meets, aliases followed: a mapping and a sequence begin and end, so each counts twice. */
const EVENTS = 50_000;
/** The stream and the document begin and end as well. */
const EVENTS_AROUND = 4;
export const STEPS_PER_JOB = 1_000;

/** The fault of a text that must not reach the parser. */
export function checkText(file: string, text: string, { characters }: ReadLimits): Diagnostic | undefined {
  if (text.length > characters) {
    return fault(file, undefined, `The maximum file size of ${characters} characters has been exceeded`);
  }
  const { depth, nodes, at } = deepestNesting(text, TEXT_DEPTH);
  if (depth > TEXT_DEPTH) return fault(file, at, TOO_DEEP);
  return nodes > EVENTS ? fault(file, undefined, TOO_MANY_EVENTS) : undefined;
}

export type DocumentWeight =
  | { readonly kind: "bearable"; readonly sizeBytes: number }
  | { readonly kind: "too much"; readonly diagnostic: Diagnostic };

/** What a document comes to once its aliases are followed. Linear in the nodes written, not in those meant. */
export function weigh(file: string, document: Document, lines: LineCounter, limits: ReadLimits): DocumentWeight {
  const scale = new Scale(limits, textBytes(file)); // GitHub keeps the file's name with what it read
  try {
    scale.add(document.contents, 0);
    return { kind: "bearable", sizeBytes: scale.sizeBytes };
  } catch (error) {
    if (!(error instanceof LimitExceeded)) throw error;
    return { kind: "too much", diagnostic: fault(file, positionOf(error.node, lines), error.message) };
  }
}

function positionOf(node: unknown, lines: LineCounter): Position | undefined {
  const offset = isNode(node) ? node.range?.[0] : undefined;
  if (offset === undefined) return undefined;
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

const TOO_DEEP = "Maximum object depth exceeded";
const TOO_BIG = "Maximum object size exceeded";
const TOO_MANY_EVENTS = `Maximum YAML nodes exceeded: more than ${EVENTS}`;

class LimitExceeded extends Error {
  readonly node: unknown;

  constructor(message: string, node: unknown) {
    super(message);
    this.node = node;
  }
}

interface Weight {
  readonly events: number;
  readonly bytes: number;
  /** Of collections in one another; 0 for a scalar. */
  readonly depth: number;
}

const NOTHING: Weight = { events: 0, bytes: 0, depth: 0 };
const VALUE_BYTES = 24;

class Scale {
  /** In the order of the text: an alias means the last anchor of its name before it. "open" until it is closed. */
  readonly #weightByAnchor = new Map<string, Weight | "open">();
  readonly #limits: ReadLimits;
  #aliases = 0;
  #events = EVENTS_AROUND;
  #bytes: number;

  constructor(limits: ReadLimits, bytes: number) {
    this.#limits = limits;
    this.#bytes = bytes;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  /** `depth` is the number of collections around the node. */
  add(node: unknown, depth: number): Weight {
    if (isAlias(node)) return this.#addAlias(node.source, depth, node);
    if (isPair(node)) return both(this.add(node.key, depth), this.add(node.value, depth));
    const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined;
    if (anchor !== undefined) this.#weightByAnchor.set(anchor, "open");
    const own = { events: isCollection(node) ? 2 : 1, bytes: bytesOf(node), depth: isCollection(node) ? 1 : 0 };
    this.#count(own, depth, node);
    const inner = isCollection(node) ? this.#addItems(node.items, depth + 1) : NOTHING;
    const weight = { ...both(own, inner), depth: own.depth + inner.depth };
    if (anchor !== undefined) this.#weightByAnchor.set(anchor, weight);
    return weight;
  }

  #addItems(items: readonly unknown[], depth: number): Weight {
    let sum = NOTHING;
    for (const item of items) sum = both(sum, this.add(item, depth));
    return sum;
  }

  #addAlias(anchor: string, depth: number, node: unknown): Weight {
    if (++this.#aliases > ALIASES) throw new LimitExceeded(`More than ${ALIASES} aliases`, node);
    const weight = this.#weightByAnchor.get(anchor) ?? NOTHING; // leads nowhere: that is told with the other faults
    if (weight === "open") throw new LimitExceeded(`The alias '*${anchor}' contains itself`, node);
    this.#count(weight, depth, node);
    return weight;
  }

  #count(weight: Weight, depth: number, node: unknown): void {
    if (depth + weight.depth > this.#limits.depth) throw new LimitExceeded(TOO_DEEP, node);
    this.#events += weight.events;
    if (this.#events > EVENTS) throw new LimitExceeded(TOO_MANY_EVENTS, node);
    this.#bytes += weight.bytes;
    if (this.#bytes > this.#limits.sizeBytes) throw new LimitExceeded(TOO_BIG, node);
  }
}

function both(one: Weight, other: Weight): Weight {
  return {
    events: one.events + other.events,
    bytes: one.bytes + other.bytes,
    depth: Math.max(one.depth, other.depth),
  };
}

/** An object of .NET, and for a text its two bytes a character. */
function bytesOf(node: unknown): number {
  return VALUE_BYTES + (isScalar(node) && typeof node.value === "string" ? textBytes(node.value) : 0);
}

function textBytes(text: string): number {
  return 26 + 2 * text.length;
}

function fault(file: string, at: Position | undefined, message: string): Diagnostic {
  return { kind: "error", file, at, key: undefined, message };
}
