/**
 * How deep a YAML text nests, read from its lines alone: open brackets, and columns that open a block. Block scalars
 * (scripts) do not count. The guess errs towards deeper: a text it lets pass is safe for a recursive parser, and a
 * text that fools it runs into the parser's own catch. One pass, no recursion, nothing allocated for each character.
 */
import type { Position } from "../lib/diagnostic.ts";

export interface Nesting {
  readonly depth: number;
  /** Where `depth` was reached. */
  readonly at: Position;
  /** Entries of blocks and brackets, roughly. */
  readonly nodes: number;
}

/** Stops at the first place deeper than `limit`. */
export function deepestNesting(text: string, limit: number): Nesting {
  const scan = new Scan(limit);
  for (let start = 0; start <= text.length && scan.depth <= limit;) {
    const newline = text.indexOf("\n", start);
    const end = newline === -1 ? text.length : newline;
    scan.line(text.slice(start, end));
    start = end + 1;
  }
  return { depth: scan.depth, at: scan.at, nodes: scan.nodes };
}

class Scan {
  depth = 0;
  at: Position = { line: 1, column: 1 };
  nodes = 0;
  readonly #limit: number;
  /** Columns at which blocks are open. */
  readonly #columns: number[] = [];
  #brackets = 0;
  #quote: string | undefined;
  /** Lines indented deeper than this belong to a block scalar. */
  #scalarIndent: number | undefined;
  #lineNumber = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  line(line: string): void {
    this.#lineNumber++;
    let indent = 0;
    while (line.charCodeAt(indent) === SPACE) indent += 1;
    // Most lines are those of scripts.
    if (this.#scalarIndent !== undefined && indent > this.#scalarIndent) return;
    if (indent === line.length || /^\s*(#|$)/.test(line)) return;
    this.#scalarIndent = undefined;
    if (indent <= (this.#columns.at(-1) ?? -1)) this.#quote = undefined; // no quoted text goes on here
    if (this.#brackets > 0 || this.#quote !== undefined) this.#flow(line, indent);
    else this.#block(line, indent);
  }

  #block(line: string, indent: number): void {
    while ((this.#columns.at(-1) ?? -1) >= indent) this.#columns.pop();
    let column = indent;
    let parent = this.#columns.at(-1) ?? -1;
    while (isIndicator(line, column) && this.depth <= this.#limit) {
      this.#open(column);
      parent = column;
      column += 1 + (/^[ \t]*/.exec(line.slice(column + 1))?.[0].length ?? 0);
    }
    if (column >= line.length) return;
    this.#open(column);
    const keyLength = keyLengthOf(line.slice(column));
    const value = line.slice(column + keyLength).replace(PROPERTIES, "");
    if (/^[|>][-+0-9]*\s*(#.*)?$/.test(value)) this.#scalarIndent = keyLength > 0 ? column : parent;
    else if (/^[[{"']/.test(value)) this.#flow(line, line.length - value.length);
  }

  #flow(line: string, start: number): void {
    for (let i = start; i < line.length && this.depth <= this.#limit; i++) {
      const char = line.charAt(i);
      if (this.#quote !== undefined) {
        if (char === "\\" && this.#quote === '"') i++;
        else if (char === this.#quote) this.#quote = undefined;
      } else if ((char === '"' || char === "'") && (i === start || /[[{,:\s]/.test(line.charAt(i - 1)))) {
        this.#quote = char;
      } else if (char === "[" || char === "{") {
        this.#brackets++;
        this.#note(i);
      } else if (char === "]" || char === "}") {
        this.#brackets = Math.max(0, this.#brackets - 1);
      } else if (char === ",") this.nodes++;
    }
  }

  #open(column: number): void {
    this.#columns.push(column);
    this.nodes++;
    this.#note(column);
  }

  #note(column: number): void {
    const depth = this.#columns.length + this.#brackets;
    if (depth <= this.depth) return;
    this.depth = depth;
    this.at = { line: this.#lineNumber, column: column + 1 };
  }
}

const SPACE = 0x20;
const TAB = 0x09;

/** `-`, `?` or `:` that stands alone: it opens a block. */
function isIndicator(line: string, column: number): boolean {
  const next = line.charCodeAt(column + 1);
  return (
    "-?:".includes(line.charAt(column)) &&
    column < line.length &&
    (next === SPACE || next === TAB || column + 1 === line.length)
  );
}

/** `&anchor` and `!tag` in front of a value. */
const PROPERTIES = /^(?:[&!]\S*\s+)*/;

/** Up to the value that follows `key:`, or 0 where there is no key. */
function keyLengthOf(content: string): number {
  const isQuoted = content.startsWith('"') || content.startsWith("'");
  const quoted = isQuoted ? (QUOTED.exec(content)?.[0].length ?? 0) : 0;
  const colon = quoted > 0 ? colonBehind(content, quoted) : content.search(/:(?:\s|$)/);
  const comment = content.search(/\s#/);
  if (colon === -1 || (comment !== -1 && comment < colon)) return 0;
  const isFlow = /^[[{]/.test(content);
  return isFlow ? 0 : colon + 1 + (/^\s*/.exec(content.slice(colon + 1))?.[0].length ?? 0);
}

const QUOTED = /^(?:"[^"\\]*(?:\\.[^"\\]*)*"|'[^']*(?:''[^']*)*')/;

function colonBehind(content: string, start: number): number {
  const spaces = /^[ \t]*/.exec(content.slice(start))?.[0].length ?? 0;
  return /^:(?:\s|$)/.test(content.slice(start + spaces, start + spaces + 2)) ? start + spaces : -1;
}
