/**
 * What a YAML file may weigh, checked before the parser sees it and again on its result, so that no text of a stranger
 * can exhaust the host: size and nesting from the text alone, aliases and expanded nodes from the parsed nodes.
 * Source: SPECIFICATION.md "Limits"; GitHub's own are 1 MiB and depth 50 (ACTIONS-CONTRACT §1.5).
 */
import { type Document, isAlias, isCollection, isNode, isPair, isScalar, type LineCounter } from "yaml";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";
import { deepestNesting } from "./nesting.ts";

const FILE_BYTES = 1_048_576;
/** Of brackets and indentation in the text; well beyond what GitHub accepts, well below what a stack bears. */
const TEXT_DEPTH = 100;
/** Of mappings and sequences, as GitHub counts. */
const NODE_DEPTH = 50;
const EXPANDED_NODES = 50_000;
const ALIASES = 1_000;
export const STEPS_PER_JOB = 1_000;

/** The fault of a text that must not reach the parser. */
export function checkText(file: string, text: string): Diagnostic | undefined {
  // A text has at least as many bytes as UTF-16 units, so a huge one is not encoded only to be measured.
  if (text.length > FILE_BYTES || Buffer.byteLength(text) > FILE_BYTES) {
    return fault(file, undefined, `The maximum file size of ${FILE_BYTES} bytes has been exceeded`);
  }
  const { depth, nodes, at } = deepestNesting(text, TEXT_DEPTH);
  if (depth > TEXT_DEPTH) return fault(file, at, "Maximum object depth exceeded");
  return nodes > EXPANDED_NODES ? fault(file, undefined, TOO_MANY_NODES) : undefined;
}

/** The fault of a document that is too much once its aliases are followed. Linear in the nodes written, not in those meant. */
export function checkDocument(file: string, document: Document, lines: LineCounter): Diagnostic | undefined {
  const measure = new Measure();
  try {
    measure.sizeOf(document.contents, 0);
    return undefined;
  } catch (error) {
    if (!(error instanceof LimitExceeded)) throw error;
    return fault(file, positionOf(error.node, lines), error.message);
  }
}

function positionOf(node: unknown, lines: LineCounter): Position | undefined {
  const offset = isNode(node) ? node.range?.[0] : undefined;
  if (offset === undefined) return undefined;
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

const TOO_MANY_NODES = `Maximum object size exceeded: more than ${EXPANDED_NODES} values`;

class LimitExceeded extends Error {
  readonly node: unknown;

  constructor(message: string, node: unknown) {
    super(message);
    this.node = node;
  }
}

/** Sizes by anchor, in the order of the text: an alias means the last anchor of its name before it. */
class Measure {
  readonly #sizeByAnchor = new Map<string, number>();
  #aliases = 0;
  #total = 0;

  sizeOf(node: unknown, depth: number): number {
    if (isAlias(node)) return this.#sizeOfAlias(node.source, node);
    if (isPair(node)) return this.sizeOf(node.key, depth) + this.sizeOf(node.value, depth);
    if (depth > NODE_DEPTH) throw new LimitExceeded("Maximum object depth exceeded", node);
    let size = this.#count(1, node);
    const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined;
    if (anchor !== undefined) this.#sizeByAnchor.set(anchor, Number.POSITIVE_INFINITY); // until it is closed
    if (isCollection(node)) for (const item of node.items) size += this.sizeOf(item, depth + 1);
    if (anchor !== undefined) this.#sizeByAnchor.set(anchor, size);
    return size;
  }

  #sizeOfAlias(anchor: string, node: unknown): number {
    if (++this.#aliases > ALIASES) throw new LimitExceeded(`More than ${ALIASES} aliases`, node);
    const size = this.#sizeByAnchor.get(anchor) ?? 1; // leads nowhere: that is told with the other faults
    if (size === Number.POSITIVE_INFINITY) throw new LimitExceeded(`The alias '*${anchor}' contains itself`, node);
    return this.#count(size, node);
  }

  #count(size: number, node: unknown): number {
    this.#total += size;
    if (this.#total > EXPANDED_NODES) throw new LimitExceeded(TOO_MANY_NODES, node);
    return size;
  }
}

function fault(file: string, at: Position | undefined, message: string): Diagnostic {
  return { kind: "error", file, at, key: undefined, message };
}
