/**
 * Markdown as lines for a terminal: headings, lists, tables, quotes, code, links, and the HTML that summaries are written with.
 * The text is hostile (a step wrote it): it becomes styled characters and nothing else, entities are decoded before control
 * characters are dropped, and input and nesting are bounded. The parser is loaded with this file: import it lazily.
 */
import { lexer } from "marked";
import type { MarkedToken, Token, Tokens } from "marked";
import { displayWidth, plainLines, plainText, truncate } from "./display-text.ts";
import { htmlToMarkdown } from "./html-to-markdown.ts";
import { span } from "./line.ts";
import type { Line, Span, Style } from "./line.ts";
import { withoutEndingSpace, wrapSpans } from "./wrap-spans.ts";

/** What is longer is data, and shown as it is: parsing grows faster than the text. */
const MAX_PARSED_CHARS = 64 * 1024;
/** Quotes and lists in one another; the parser recurses over them. */
const MAX_NESTED_MARKERS = 32;
const MIN_COLUMNS = 20;

/** At most `columns` wide but for code, which is cut. One blank line between blocks. */
export function markdownLines(markdown: string, columns: number): Line[] {
  if (markdown.length > MAX_PARSED_CHARS || nestsDeeply(markdown)) {
    return plainLines(markdown).map((line) => [span(line)]);
  }
  return blockLines(lexer(markdown), Math.max(MIN_COLUMNS, columns));
}

function nestsDeeply(markdown: string): boolean {
  return markdown.split("\n").some((line) => {
    const markers = /^(?:[ \t]*(?:>|[-*+](?=\s)|\d{1,9}[.)](?=\s)))+/.exec(line)?.[0] ?? "";
    const indent = /^[ \t]*/.exec(line)?.[0].length ?? 0;
    return markers.replaceAll(/\s/g, "").length > MAX_NESTED_MARKERS || indent > MAX_NESTED_MARKERS * 4;
  });
}

function blockLines(tokens: readonly Token[], columns: number): Line[] {
  const blocks = tokens
    .filter(isOwn)
    .map((token) => tokenLines(token, columns))
    .filter((lines) => lines.length > 0);
  return blocks.flatMap((lines, index) => (index === 0 ? lines : [[], ...lines]));
}

function tokenLines(token: MarkedToken, columns: number): Line[] {
  switch (token.type) {
    case "heading":
      return wrapSpans(inlineSpans(token.tokens, "bold"), columns);
    case "paragraph":
    case "text":
      return wrapSpans(inlineSpans(token.tokens ?? [token], undefined), columns);
    case "code":
      return plainLines(token.text).map((line) => [span("  "), span(truncate(line, columns - 2), "cyan")]);
    case "blockquote":
      return blockLines(token.tokens, columns - 2).map((line) => [span("│ ", "dim"), ...line]);
    case "list":
      return listLines(token, columns);
    case "table":
      return tableLines(token);
    case "hr":
      return [[span("─".repeat(Math.min(columns, 40)), "dim")]];
    case "html":
      // What is left of it holds no tag, so this does not come here again.
      return blockLines(lexer(htmlToMarkdown(token.raw)), columns);
    case "space":
    case "def":
    case "br":
    case "checkbox":
      return [];
    default:
      return wrapSpans([span(readable(token.raw))], columns);
  }
}

function listLines({ items, ordered, start }: Tokens.List, columns: number): Line[] {
  return items.flatMap((item, index) => {
    const box = item.task ? (item.checked === true ? "[x] " : "[ ] ") : "";
    const mark = `${ordered ? `${Number(start) + index}.` : "•"} ${box}`;
    const content = item.tokens.filter(isOwn).flatMap((token) => tokenLines(token, columns - mark.length));
    return content.map((line, row) => [row === 0 ? span(mark, "dim") : span(" ".repeat(mark.length)), ...line]);
  });
}

/** Columns as wide as their cells: a table that is wider than the window wraps, which loses nothing. */
function tableLines({ header, rows, align }: Tokens.Table): Line[] {
  const cells = [header, ...rows].map((row) => row.map((cell) => oneLine(inlineSpans(cell.tokens, undefined))));
  const widths = header.map((_, column) => Math.max(0, ...cells.map((row) => widthOf(row[column] ?? []))));
  const lines = cells.map((row, index) =>
    row.flatMap((content, column): Span[] => {
      const gap = (widths[column] ?? 0) - widthOf(content);
      const before = align[column] === "right" ? gap : align[column] === "center" ? Math.floor(gap / 2) : 0;
      const styled = index === 0 ? content.map(({ text }) => span(text, "bold")) : content;
      return [span(" ".repeat(before)), ...styled, span(" ".repeat(gap - before + 2))];
    }),
  );
  const rule: Line = [span(widths.map((width) => "─".repeat(width)).join("  "), "dim")];
  return [...lines.slice(0, 1), rule, ...lines.slice(1)].map(withoutEndingSpace);
}

function inlineSpans(tokens: readonly Token[], style: Style | undefined): Span[] {
  return tokens.filter(isOwn).flatMap((token): Span[] => {
    switch (token.type) {
      case "strong":
        return inlineSpans(token.tokens, "bold");
      case "em":
        return inlineSpans(token.tokens, style ?? "italic");
      case "del":
        return inlineSpans(token.tokens, "dim");
      case "codespan":
        return [span(readable(token.text), "cyan")];
      case "link": {
        const text = inlineSpans(token.tokens, style);
        const shown = text.map((part) => part.text).join("");
        return shown === readable(token.href) ? text : [...text, span(` (${readable(token.href)})`, "dim")];
      }
      case "image":
        return [span(`[${readable(token.text)}]`, "dim")];
      case "br":
        return [span("\n")];
      case "html":
        return /^<br\b/i.test(token.raw) ? [span("\n")] : [];
      case "text":
        return token.tokens === undefined ? [span(readable(token.text), style)] : inlineSpans(token.tokens, style);
      case "checkbox":
        return [];
      default:
        return [span(readable(token.raw), style)];
    }
  });
}

/** Always, since no extension is used: only these have other tokens, which marked's types allow everywhere. */
function isOwn(token: Token): token is MarkedToken {
  return typeof token.raw === "string";
}

const entities: { readonly [name: string]: string } = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

/** Entities first: `&#27;` would be an escape character otherwise. Line breaks stay, since they are where lines may break. */
function readable(text: string): string {
  const decoded = text.replaceAll(
    /&(?:(?<name>[a-z]+)|#(?<decimal>\d{1,7})|#x(?<hex>[0-9a-f]{1,6}));/gi,
    (whole: string, name?: string, decimal?: string, hex?: string) => {
      if (name !== undefined) return entities[name.toLowerCase()] ?? whole;
      const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
      return code > 0x10ffff ? whole : String.fromCodePoint(code);
    },
  );
  return plainLines(decoded).join("\n");
}

function oneLine(spans: readonly Span[]): Span[] {
  return spans.map(({ text, style }) => span(plainText(text.replaceAll("\n", " ")), style));
}

function widthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { text }) => sum + displayWidth(text), 0);
}
