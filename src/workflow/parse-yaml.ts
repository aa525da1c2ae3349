/**
 * Text to YAML nodes, within limits. GitHub reads YAML 1.2 with the core schema, whatever a `%YAML` line says; tags of
 * other schemas and values that do not fit their tag are errors there, with the messages used here. Merge keys (`<<`)
 * are no part of that schema: they are keys like others, which the workflow's schema then refuses.
 */
import {
  type Document,
  isAlias,
  isScalar,
  LineCounter,
  parseDocument,
  type Scalar,
  visit,
  type YAMLParseError,
} from "yaml";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";
import { checkText, type ReadLimits, weigh } from "./limits.ts";

export type YamlResult =
  /** `sizeBytes` is what the file comes to, as GitHub weighs it. */
  | { readonly kind: "parsed"; readonly document: Document; readonly lines: LineCounter; readonly sizeBytes: number }
  /** `document` holds what could be understood of broken YAML; undefined when the text was not parsed at all. */
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[]; readonly document: Document | undefined };

export function parseYaml(file: string, text: string, limits: ReadLimits): YamlResult {
  const tooMuch = checkText(file, text, limits);
  if (tooMuch !== undefined) return { kind: "refused", diagnostics: [tooMuch], document: undefined };
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    keepSourceTokens: true,
    prettyErrors: false,
    schema: "core",
    uniqueKeys: false, // GitHub's reader names the key that comes twice
  });
  const weight = weigh(file, document, lines, limits);
  if (weight.kind === "too much") return { kind: "refused", diagnostics: [weight.diagnostic], document: undefined };
  const syntax = syntaxFaults(file, document, lines);
  if (syntax.length === 0 && document.contents === null) return refuseEmpty(file, document);
  const diagnostics = syntax.length > 0 ? syntax : nodeFaults(file, text, document, lines);
  if (diagnostics.length > 0) return { kind: "refused", diagnostics, document };
  return { kind: "parsed", document, lines, sizeBytes: weight.sizeBytes };
}

function refuseEmpty(file: string, document: Document): YamlResult {
  const message = "The file is empty, or comments only";
  return { kind: "refused", diagnostics: [fault(file, { line: 1, column: 1 }, message)], document };
}

function syntaxFaults(file: string, document: Document, lines: LineCounter): readonly Diagnostic[] {
  const errors = document.errors.filter((error) => !isCommentWithoutSpace(error));
  return errors.slice(0, 10).map(({ code, message, pos }) => {
    const { line, col } = lines.linePos(pos[0]);
    const ours = code === "MULTIPLE_DOCS" ? "A workflow is one YAML document; another begins here" : message;
    return fault(file, { line, column: col }, ours);
  });
}

/**
 * `[a]# text` and `"a"# text` are read by GitHub, where a comment need not stand off; nothing of the values is lost.
 * The parser's code for it is one of many uses, so its message tells. GitHub's case `yaml-schema-sequence` holds it.
 */
function isCommentWithoutSpace({ code, message }: YAMLParseError): boolean {
  return code === "MISSING_CHAR" && message.startsWith("Comments must be separated from other tokens");
}

/** Tags that the core schema gives to scalars, and what their values look like. */
const SCALAR_TAGS: ReadonlyMap<string, RegExp> = new Map([
  ["tag:yaml.org,2002:null", /^(?:null|Null|NULL|~|)$/],
  ["tag:yaml.org,2002:bool", /^(?:true|True|TRUE|false|False|FALSE)$/],
  ["tag:yaml.org,2002:int", /^(?:[-+]?\d+|0o[0-7]+|0x[0-9a-fA-F]+)$/],
  [
    "tag:yaml.org,2002:float",
    /^(?:[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
  ],
]);
const OTHER_TAGS: ReadonlySet<string> = new Set(["str", "seq", "map"].map((name) => `tag:yaml.org,2002:${name}`));

/** A file with more than this is broken as a whole; the rest would only repeat it. */
const REPORTED_FAULTS = 100;

/** Of nodes that are well written but mean nothing: aliases without an anchor before them, tags of other schemas. */
function nodeFaults(file: string, text: string, document: Document, lines: LineCounter): readonly Diagnostic[] {
  const anchors = new Set<string>();
  const faults: Diagnostic[] = [];
  const check = (start: number, messageAt: (at: Position) => string | undefined): void => {
    const { line, col } = lines.linePos(start);
    const at = { line, column: col };
    const message = messageAt(at);
    if (message !== undefined) faults.push(fault(file, at, message));
  };
  visit(document, {
    Node: (_key, node) => {
      if (faults.length >= REPORTED_FAULTS) return visit.BREAK;
      const start = node.range?.[0] ?? 0;
      if (isAlias(node)) {
        if (!anchors.has(node.source)) check(start, () => `The alias '*${node.source}' has no anchor before it`);
        return undefined;
      }
      if (node.anchor !== undefined) anchors.add(node.anchor);
      const { tag } = node;
      if (tag === undefined && isScalar(node) && isTooLarge(node)) {
        check(start, (at) => faultOfValue(sourceOf(node), at, "tag:yaml.org,2002:int"));
      }
      if (tag === undefined || tag === "!" || OTHER_TAGS.has(tag)) return undefined;
      check(tagStart(text, start), (at) => faultOfTag(tag, node, at));
      return undefined;
    },
  });
  return faults;
}

/** Hexadecimal and octal numbers have 32 bits on GitHub. */
function isTooLarge(node: Scalar): boolean {
  return typeof node.value === "number" && node.value > 0xffffffff && /^0[xo]/.test(sourceOf(node));
}

/** A node's range begins behind its tag. */
function tagStart(text: string, start: number): number {
  const mark = text.lastIndexOf("!", start - 1);
  if (mark === -1) return start;
  return text[mark - 1] === "!" ? mark - 1 : mark;
}

function faultOfTag(tag: string, node: unknown, at: Position): string | undefined {
  const values = SCALAR_TAGS.get(tag);
  if (values === undefined) return `Unexpected tag '${tag}'`;
  if (!isScalar(node)) return undefined;
  const style = QUOTED_STYLES.get(node.type ?? "PLAIN");
  if (style !== undefined) return `The scalar style '${style}' ${place(at)} is not valid with the tag '${tag}'`;
  const text = sourceOf(node);
  return values.test(text) ? undefined : faultOfValue(text, at, tag);
}

function faultOfValue(text: string, at: Position, tag: string): string {
  return `The value '${text}' ${place(at)} is invalid for the type '${tag}'`;
}

function place({ line, column }: Position): string {
  return `on line ${line} and column ${column}`;
}

const QUOTED_STYLES: ReadonlyMap<string, string> = new Map([
  ["QUOTE_DOUBLE", "DoubleQuoted"],
  ["QUOTE_SINGLE", "SingleQuoted"],
  ["BLOCK_LITERAL", "Literal"],
  ["BLOCK_FOLDED", "Folded"],
]);

function sourceOf({ srcToken, source }: Scalar): string {
  return srcToken !== undefined && "source" in srcToken ? srcToken.source : (source ?? "");
}

function fault(file: string, at: Position | undefined, message: string): Diagnostic {
  return { kind: "error", file, at, key: undefined, message };
}
