/**
 * Text to YAML nodes, within limits. GitHub reads YAML 1.2 with the core schema; tags of other schemas and values that
 * do not fit their tag are errors there, with the messages used here.
 */
import { type Document, isAlias, isScalar, LineCounter, parseDocument, type Scalar, visit } from "yaml";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";
import { checkDocument, checkText } from "./limits.ts";

export type YamlResult =
  | { readonly kind: "parsed"; readonly document: Document; readonly lines: LineCounter }
  /** `document` holds what could be understood of broken YAML; undefined when the text was not parsed at all. */
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[]; readonly document: Document | undefined };

export function parseYaml(file: string, text: string): YamlResult {
  const tooMuch = checkText(file, text);
  if (tooMuch !== undefined) return { kind: "refused", diagnostics: [tooMuch], document: undefined };
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    keepSourceTokens: true,
    prettyErrors: false,
    uniqueKeys: false, // GitHub's reader names the key that comes twice
  });
  const expandsTooFar = checkDocument(file, document, lines);
  if (expandsTooFar !== undefined) return { kind: "refused", diagnostics: [expandsTooFar], document: undefined };
  const syntax = syntaxFaults(file, document, lines);
  const diagnostics = syntax.length > 0 ? syntax : nodeFaults(file, text, document, lines);
  if (diagnostics.length > 0) return { kind: "refused", diagnostics, document };
  return { kind: "parsed", document, lines };
}

function syntaxFaults(file: string, document: Document, lines: LineCounter): readonly Diagnostic[] {
  return document.errors.slice(0, 10).map(({ code, message, pos }) => {
    const { line, col } = lines.linePos(pos[0]);
    const ours = code === "MULTIPLE_DOCS" ? "A workflow is one YAML document; another begins here" : message;
    return fault(file, { line, column: col }, ours);
  });
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
      const start = node.range?.[0] ?? 0;
      if (isAlias(node)) {
        if (!anchors.has(node.source)) check(start, () => `The alias '*${node.source}' has no anchor before it`);
        return;
      }
      if (node.anchor !== undefined) anchors.add(node.anchor);
      const { tag } = node;
      if (tag === undefined || tag === "!" || OTHER_TAGS.has(tag)) return;
      check(tagStart(text, start), (at) => faultOfTag(tag, node, at));
    },
  });
  return faults;
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
  const place = `on line ${at.line} and column ${at.column}`;
  const style = QUOTED_STYLES.get(node.type ?? "PLAIN");
  if (style !== undefined) return `The scalar style '${style}' ${place} is not valid with the tag '${tag}'`;
  const text = sourceOf(node);
  return values.test(text) ? undefined : `The value '${text}' ${place} is invalid for the type '${tag}'`;
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
