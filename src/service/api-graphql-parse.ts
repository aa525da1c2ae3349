/**
 * Reads GraphQL documents: operations, fragments, arguments, variables. Types of variables are read over. Pure.
 * Source: GraphQL specification, October 2021, §2.
 */

export interface GraphqlDocument {
  readonly operations: readonly Operation[];
  readonly fragments: ReadonlyMap<string, Fragment>;
}

export interface Operation {
  readonly kind: "query" | "mutation";
  readonly name: string | undefined;
  readonly defaults: ReadonlyMap<string, GraphqlValue>;
  readonly selection: readonly Selection[];
}

interface Fragment {
  readonly on: string;
  readonly selection: readonly Selection[];
}

export type Selection =
  | {
      readonly kind: "field";
      readonly name: string;
      /** What it is called in the answer. */
      readonly alias: string;
      readonly args: ReadonlyMap<string, GraphqlValue>;
      readonly directives: readonly Directive[];
      readonly selection: readonly Selection[];
    }
  | {
      readonly kind: "inline";
      readonly on: string | undefined;
      readonly directives: readonly Directive[];
      readonly selection: readonly Selection[];
    }
  | { readonly kind: "spread"; readonly fragment: string; readonly directives: readonly Directive[] };

export interface Directive {
  readonly name: string;
  readonly args: ReadonlyMap<string, GraphqlValue>;
}

export type GraphqlValue =
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "scalar"; readonly value: string | number | boolean | null }
  | { readonly kind: "list"; readonly items: readonly GraphqlValue[] }
  | { readonly kind: "object"; readonly fields: ReadonlyMap<string, GraphqlValue> };

export class GraphqlSyntaxError extends Error {
  override readonly name = "GraphqlSyntaxError";
}

const MAX_CHARACTERS = 256 << 10;
const MAX_DEPTH = 32;

/** Throws `GraphqlSyntaxError`. */
export function parseGraphql(text: string): GraphqlDocument {
  if (text.length > MAX_CHARACTERS) throw new GraphqlSyntaxError("The query is too long");
  const reader = new Reader(tokens(text));
  const operations: Operation[] = [];
  const fragments = new Map<string, Fragment>();
  while (!reader.isAtEnd) {
    if (reader.peek() === "{") operations.push(anonymous(parseSelection(reader, 0)));
    else if (reader.take() === "fragment") {
      const name = reader.name();
      reader.expect("on");
      const on = reader.name();
      parseDirectives(reader);
      fragments.set(name, { on, selection: parseSelection(reader, 0) });
    } else operations.push(parseOperation(reader, reader.last));
  }
  return { operations, fragments };
}

function anonymous(selection: readonly Selection[]): Operation {
  return { kind: "query", name: undefined, defaults: new Map(), selection };
}

function parseOperation(reader: Reader, kind: string): Operation {
  if (kind !== "query" && kind !== "mutation") throw new GraphqlSyntaxError(`Expected a query, found ${kind}`);
  const name = /^[A-Za-z_]/.test(reader.peek()) ? reader.take() : undefined;
  const defaults = new Map<string, GraphqlValue>();
  if (reader.skip("(")) {
    while (!reader.skip(")")) {
      reader.expect("$");
      const variable = reader.name();
      reader.expect(":");
      while (/^[A-Za-z_[\]!]/.test(reader.peek()) && reader.peek() !== ")") reader.take();
      if (reader.skip("=")) defaults.set(variable, parseValue(reader, 0));
    }
  }
  parseDirectives(reader);
  return { kind, name, defaults, selection: parseSelection(reader, 0) };
}

function parseSelection(reader: Reader, depth: number): readonly Selection[] {
  if (depth > MAX_DEPTH) throw new GraphqlSyntaxError("The query is nested too deep");
  reader.expect("{");
  const selection: Selection[] = [];
  while (!reader.skip("}")) selection.push(parseOne(reader, depth));
  return selection;
}

function parseOne(reader: Reader, depth: number): Selection {
  if (reader.skip("...")) {
    if (reader.peek() !== "on" && reader.peek() !== "{" && reader.peek() !== "@")
      return { kind: "spread", fragment: reader.name(), directives: parseDirectives(reader) };
    const on = reader.skip("on") ? reader.name() : undefined;
    return { kind: "inline", on, directives: parseDirectives(reader), selection: parseSelection(reader, depth + 1) };
  }
  const first = reader.name();
  const name = reader.skip(":") ? reader.name() : first;
  const args = parseArguments(reader);
  const directives = parseDirectives(reader);
  const selection = reader.peek() === "{" ? parseSelection(reader, depth + 1) : [];
  return { kind: "field", name, alias: first, args, directives, selection };
}

function parseArguments(reader: Reader): ReadonlyMap<string, GraphqlValue> {
  const args = new Map<string, GraphqlValue>();
  if (!reader.skip("(")) return args;
  while (!reader.skip(")")) {
    const name = reader.name();
    reader.expect(":");
    args.set(name, parseValue(reader, 0));
  }
  return args;
}

function parseDirectives(reader: Reader): readonly Directive[] {
  const directives: Directive[] = [];
  while (reader.skip("@")) directives.push({ name: reader.name(), args: parseArguments(reader) });
  return directives;
}

function parseValue(reader: Reader, depth: number): GraphqlValue {
  if (depth > MAX_DEPTH) throw new GraphqlSyntaxError("A value is nested too deep");
  if (reader.skip("$")) return { kind: "variable", name: reader.name() };
  if (reader.skip("[")) {
    const items: GraphqlValue[] = [];
    while (!reader.skip("]")) items.push(parseValue(reader, depth + 1));
    return { kind: "list", items };
  }
  if (reader.skip("{")) {
    const fields = new Map<string, GraphqlValue>();
    while (!reader.skip("}")) {
      const name = reader.name();
      reader.expect(":");
      fields.set(name, parseValue(reader, depth + 1));
    }
    return { kind: "object", fields };
  }
  return { kind: "scalar", value: scalarOf(reader.take()) };
}

/** A bare name is an enumeration's, which is text here. */
function scalarOf(token: string): string | number | boolean | null {
  if (token.startsWith('"""')) return blockText(token.slice(3, -3));
  if (token.startsWith('"')) {
    try {
      return String(JSON.parse(token));
    } catch {
      throw new GraphqlSyntaxError(`Cannot read the text ${token}`);
    }
  }
  if (/^-?\d/.test(token)) return Number(token);
  if (!/^[A-Za-z_]/.test(token)) throw new GraphqlSyntaxError(`Expected a value, found ${token}`);
  if (token === "true" || token === "false") return token === "true";
  return token === "null" ? null : token;
}

/** Common indentation and blank lines at the ends are not part of it. */
function blockText(raw: string): string {
  const lines = raw.replaceAll('\\"""', '"""').split(/\r\n|\r|\n/);
  const indents = lines.slice(1).flatMap((line) => (line.trim() === "" ? [] : [line.search(/\S/)]));
  const indent = indents.length === 0 ? 0 : Math.min(...indents);
  const cut = lines.map((line, index) => (index === 0 ? line : line.slice(indent)));
  while (cut[0]?.trim() === "") cut.shift();
  while (cut.at(-1)?.trim() === "") cut.pop();
  return cut.join("\n");
}

/** Commas are blanks in GraphQL. */
const TOKEN =
  /[\s,\uFEFF]+|#[^\n\r]*|(?<token>\.\.\.|[!$&()=:@[\]{|}]|[A-Za-z_]\w*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|"""(?:\\"""|(?!""")[^])*"""|"(?:\\.|[^"\\\n\r])*")/y;

function tokens(text: string): readonly string[] {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new GraphqlSyntaxError(`Unexpected ${JSON.stringify(text[at])} at ${at}`);
    const token = match.groups?.["token"];
    if (token !== undefined) found.push(token);
  }
  return found;
}

class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(found: readonly string[]) {
    this.#tokens = found;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  get last(): string {
    return this.#tokens[this.#at - 1] ?? "";
  }

  /** Empty at the end. */
  peek(): string {
    return this.#tokens[this.#at] ?? "";
  }

  take(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new GraphqlSyntaxError("The query ends too early");
    this.#at += 1;
    return token;
  }

  skip(token: string): boolean {
    if (this.peek() !== token) return false;
    this.#at += 1;
    return true;
  }

  expect(token: string): void {
    const found = this.take();
    if (found !== token) throw new GraphqlSyntaxError(`Expected ${token}, found ${found}`);
  }

  name(): string {
    const token = this.take();
    if (!/^[A-Za-z_]/.test(token)) throw new GraphqlSyntaxError(`Expected a name, found ${token}`);
    return token;
  }
}
