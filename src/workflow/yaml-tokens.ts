/**
 * YAML nodes as the tokens that GitHub's template reader asks for, one after another. It stands where the library has
 * `YamlObjectReader`, which parses on its own (no limits), fails on keys that are not text, prints numbers JavaScript's
 * way, and reads the source of a multi-line text, indentation and quotes included, where its value is meant.
 */
import type { ObjectReader } from "@actions/workflow-parser/templates/object-reader";
import { EventType, ParseEvent } from "@actions/workflow-parser/templates/parse-event";
import {
  BooleanToken,
  LiteralToken,
  MappingToken,
  NullToken,
  NumberToken,
  SequenceToken,
  StringToken,
} from "@actions/workflow-parser/templates/tokens/index";
import type { TokenRange } from "@actions/workflow-parser/templates/tokens/token-range";
import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type Scalar } from "yaml";
import { numberToText } from "../expression/number-text.ts";
import { plainSpaces } from "../expression/parse-expression.ts";
import type { Places } from "./places.ts";

/** The document must have passed `checkDocument`: aliases are followed here without counting. */
export class YamlTokens implements ObjectReader {
  readonly #events: ParseEvent[] = [];
  readonly #lines: LineCounter;
  readonly #fileId: number;
  readonly #places: Places;
  readonly #nodeByAnchor = new Map<string, Node>();
  #next = 0;

  /** `places` learns the key of every token. */
  constructor(document: Document, lines: LineCounter, fileId: number, places: Places) {
    this.#lines = lines;
    this.#fileId = fileId;
    this.#places = places;
    this.#events.push(new ParseEvent(EventType.DocumentStart));
    this.#addNode(document.contents, "");
    this.#events.push(new ParseEvent(EventType.DocumentEnd));
  }

  allowLiteral(): LiteralToken | undefined {
    const token = this.#events[this.#next]?.token;
    return token instanceof LiteralToken && this.#take(EventType.Literal) ? token : undefined;
  }

  allowSequenceStart(): SequenceToken | undefined {
    const token = this.#events[this.#next]?.token;
    return token instanceof SequenceToken && this.#take(EventType.SequenceStart) ? token : undefined;
  }

  allowSequenceEnd(): boolean {
    return this.#take(EventType.SequenceEnd);
  }

  allowMappingStart(): MappingToken | undefined {
    const token = this.#events[this.#next]?.token;
    return token instanceof MappingToken && this.#take(EventType.MappingStart) ? token : undefined;
  }

  allowMappingEnd(): boolean {
    return this.#take(EventType.MappingEnd);
  }

  validateStart(): void {
    if (!this.#take(EventType.DocumentStart)) throw new Error("Expected start of reader");
  }

  validateEnd(): void {
    if (!this.#take(EventType.DocumentEnd)) throw new Error("Expected end of reader");
  }

  #take(type: EventType): boolean {
    if (this.#events[this.#next]?.type !== type) return false;
    this.#next++;
    return true;
  }

  #addNode(node: unknown, key: string): void {
    if (isAlias(node)) return this.#addNode(this.#nodeByAnchor.get(node.source), key);
    if (isSeq(node)) {
      this.#rememberAnchor(node);
      this.#add(EventType.SequenceStart, new SequenceToken(this.#fileId, this.#rangeOf(node), undefined), key);
      node.items.forEach((item, index) => this.#addNode(item, `${key}[${index}]`));
      this.#events.push(new ParseEvent(EventType.SequenceEnd));
    } else if (isMap(node)) {
      this.#rememberAnchor(node);
      this.#add(EventType.MappingStart, new MappingToken(this.#fileId, this.#rangeOf(node), undefined), key);
      for (const pair of node.items) {
        const name = this.#keyTextOf(pair.key);
        const inner = key === "" ? name : `${key}.${name}`;
        this.#addNode(pair.key, inner);
        this.#addNode(pair.value, inner);
      }
      this.#events.push(new ParseEvent(EventType.MappingEnd));
    } else if (isScalar(node)) {
      this.#rememberAnchor(node);
      this.#add(EventType.Literal, this.#literalOf(node), key);
    } else this.#add(EventType.Literal, new NullToken(this.#fileId, undefined, undefined), key);
  }

  #add(type: EventType, token: LiteralToken | MappingToken | SequenceToken, key: string): void {
    this.#places.remember(token, key);
    this.#events.push(new ParseEvent(type, token));
  }

  #rememberAnchor(node: Node & { readonly anchor?: string | undefined }): void {
    if (node.anchor !== undefined) this.#nodeByAnchor.set(node.anchor, node);
  }

  #keyTextOf(key: unknown): string {
    const node = isAlias(key) ? this.#nodeByAnchor.get(key.source) : key;
    return isScalar(node) ? this.#literalOf(node).toString() : "?";
  }

  #literalOf(node: Scalar): LiteralToken {
    const range = this.#rangeOf(node);
    const value = valueOf(node);
    if (typeof value === "number") return new RunnerNumberToken(this.#fileId, range, value, undefined);
    if (typeof value === "boolean") return new BooleanToken(this.#fileId, range, value, undefined);
    if (typeof value !== "string") return new NullToken(this.#fileId, range, undefined);
    return new StringToken(this.#fileId, range, withPlainExpressions(value), undefined, sourceOf(node, range));
  }

  #rangeOf(node: Node): TokenRange | undefined {
    const [start, end] = node.range ?? [];
    if (start === undefined || end === undefined) return undefined;
    const from = this.#lines.linePos(start);
    const to = this.#lines.linePos(end);
    return { start: { line: from.line, column: from.col }, end: { line: to.line, column: to.col } };
  }
}

/** Where GitHub's reader wants text and finds a number, it prints it as .NET does: `1.10` is "1.1", `1e20` is "1E+20". */
class RunnerNumberToken extends NumberToken {
  override toString(): string {
    return numberToText(this.value);
  }
}

/**
 * The parser leaves a whole number that is tagged as a float a text, and ends every block of text with a line end, also
 * one that the file ends without. GitHub's hexadecimal and octal numbers are 32-bit ones with a sign.
 */
function valueOf({ value, tag, type, srcToken }: Scalar): unknown {
  const source = srcToken !== undefined && "source" in srcToken ? srcToken.source : "";
  if (typeof value === "number") return /^0[xo]/.test(source) ? value | 0 : value;
  if (typeof value !== "string") return value;
  if (tag === "tag:yaml.org,2002:float") return Number(value);
  const isBlock = type === "BLOCK_LITERAL" || type === "BLOCK_FOLDED";
  return isBlock && source !== "" && !source.endsWith("\n") ? value.replace(/\n$/, "") : value;
}

/** The quotes of a single line shift the columns inside it; of several lines the reader must see the value only. */
function sourceOf({ srcToken }: Scalar, range: TokenRange | undefined): string | undefined {
  if (range === undefined || range.start.line !== range.end.line) return undefined;
  return srcToken !== undefined && "source" in srcToken ? srcToken.source : undefined;
}

/** GitHub takes any white space in an expression for a space; its lexer here takes some of it for a fault. */
function withPlainExpressions(value: string): string {
  if (!/[^\x21-\x7e \t\r\n]/.test(value)) return value;
  let result = "";
  let end = 0;
  for (let start = value.indexOf("${{"); start !== -1; start = value.indexOf("${{", end)) {
    const close = closingBraces(value, start);
    if (close === undefined) break;
    result += value.slice(end, start) + plainSpaces(value.slice(start, close));
    end = close;
  }
  return result + value.slice(end);
}

/** The place after the `}}` that closes an expression: not one inside a string. */
function closingBraces(value: string, start: number): number | undefined {
  let inString = false;
  for (let i = start; i < value.length; i++) {
    if (value[i] === "'") inString = !inString;
    else if (!inString && value[i] === "}" && value[i + 1] === "}") return i + 2;
  }
  return undefined;
}
