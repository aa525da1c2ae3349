/**
 * Reads what a step wrote to its command files (ACTIONS-CONTRACT §2.1; messages as GitHub's runner, `FileCommandManager.cs`).
 * Pure. The files come from the job: their size and the number of entries are bounded, and nothing in a name is special here.
 * Parsing stops at the first bad line, and pairs before it count: the caller applies them and fails the step.
 */

export const MAX_COMMAND_FILE_BYTES = 1 << 20;
export const MAX_COMMAND_FILE_ENTRIES = 1000;

export interface KeyValueFile {
  /** In the order of the file; the last of the same name wins. */
  readonly pairs: readonly (readonly [name: string, value: string])[];
  /** What is wrong with the file; undefined when nothing is. */
  readonly problem: string | undefined;
}

export interface PathFile {
  /** In the order of the file: each is to stand before those above it. */
  readonly paths: readonly string[];
  readonly problem: string | undefined;
}

const TOO_LARGE = `The file is larger than ${MAX_COMMAND_FILE_BYTES} bytes`;
const TOO_MANY = `The file has more than ${MAX_COMMAND_FILE_ENTRIES} entries`;

/** GITHUB_ENV, GITHUB_OUTPUT and GITHUB_STATE: `name=value` lines, and `name<<delimiter` blocks. */
export function parseKeyValueFile(content: Buffer): KeyValueFile {
  if (content.length > MAX_COMMAND_FILE_BYTES) return { pairs: [], problem: TOO_LARGE };
  const pairs: [string, string][] = [];
  const lines = new LineReader(decode(content));
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (line.text === "") continue;
    const entry = parseEntry(line.text, lines);
    if (typeof entry === "string") return { pairs, problem: entry };
    if (pairs.length === MAX_COMMAND_FILE_ENTRIES) return { pairs, problem: TOO_MANY };
    pairs.push(entry);
  }
  return { pairs, problem: undefined };
}

/** GITHUB_PATH: a directory on each line, without any escaping. */
export function parsePathFile(content: Buffer): PathFile {
  if (content.length > MAX_COMMAND_FILE_BYTES) return { paths: [], problem: TOO_LARGE };
  // Unlike the other files, this one is read with .NET's ReadAllLines, for which CR ends a line too.
  const paths = decode(content)
    .split(/\r\n|\n|\r/)
    .filter((line) => line !== "");
  if (paths.length <= MAX_COMMAND_FILE_ENTRIES) return { paths, problem: undefined };
  return { paths: paths.slice(0, MAX_COMMAND_FILE_ENTRIES), problem: TOO_MANY };
}

/** A pair, or what is wrong. */
function parseEntry(line: string, lines: LineReader): [string, string] | string {
  const equals = line.indexOf("=");
  const heredoc = line.indexOf("<<");
  if (equals !== -1 && (heredoc === -1 || equals < heredoc)) {
    if (equals === 0) return `Invalid format '${line}'. Name must not be empty`;
    return [line.slice(0, equals), line.slice(equals + 1)];
  }
  if (heredoc === -1) return `Invalid format '${line}'`;
  const name = line.slice(0, heredoc);
  const delimiter = line.slice(heredoc + 2);
  if (name === "" || delimiter === "") {
    return `Invalid format '${line}'. Name must not be empty and delimiter must not be empty`;
  }
  const value = lines.upTo(delimiter);
  return value.kind === "problem" ? value.message : [name, value.text];
}

/** Lines end with LF only: on Linux a CR before it belongs to the line. */
class LineReader {
  readonly #text: string;
  #index = 0;

  constructor(text: string) {
    this.#text = text;
  }

  next(): { readonly text: string; readonly ended: boolean } | undefined {
    if (this.#index >= this.#text.length) return undefined;
    const start = this.#index;
    const end = this.#text.indexOf("\n", start);
    this.#index = end === -1 ? this.#text.length : end + 1;
    return { text: this.#text.slice(start, end === -1 ? undefined : end), ended: end !== -1 };
  }

  /** The lines before one that is exactly the delimiter, without the last line end. The delimiter itself needs none. */
  upTo(
    delimiter: string,
  ): { readonly kind: "text"; readonly text: string } | { readonly kind: "problem"; readonly message: string } {
    const start = this.#index;
    let end = start;
    for (let line = this.next(); line?.text !== delimiter; line = this.next()) {
      if (line === undefined) {
        return { kind: "problem", message: `Invalid value. Matching delimiter not found '${delimiter}'` };
      }
      if (!line.ended) return { kind: "problem", message: "Invalid value. EOF marker missing new line." };
      end = this.#index - 1;
    }
    return { kind: "text", text: this.#text.slice(start, end) };
  }
}

/** UTF-8 unless a byte order mark says otherwise, as .NET's ReadAllText; the mark is not part of the text. */
function decode(content: Buffer): string {
  if (startsWith(content, [0xff, 0xfe, 0, 0])) return decodeUtf32(content, (at) => content.readUInt32LE(at));
  if (startsWith(content, [0, 0, 0xfe, 0xff])) return decodeUtf32(content, (at) => content.readUInt32BE(at));
  if (startsWith(content, [0xff, 0xfe])) return new TextDecoder("utf-16le").decode(content);
  if (startsWith(content, [0xfe, 0xff])) return new TextDecoder("utf-16be").decode(content);
  return new TextDecoder("utf-8").decode(content);
}

function startsWith(content: Buffer, mark: readonly number[]): boolean {
  return mark.every((byte, index) => content[index] === byte);
}

function decodeUtf32(content: Buffer, readAt: (index: number) => number): string {
  const characters: string[] = [];
  for (let index = 4; index + 4 <= content.length; index += 4) {
    const code = readAt(index);
    const isScalar = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    characters.push(isScalar ? String.fromCodePoint(code) : "\ufffd");
  }
  return characters.join("");
}
