/**
 * Text that a job printed or an author wrote, made safe and measured for a terminal. Nothing in it may move the cursor, clear
 * the screen, set the title, write the clipboard (OSC 52), make a link or turn the reading direction (SECURITY: A34): escape
 * sequences and control characters are dropped; colours stay where they are wanted. Linear in the length of the text.
 */

const esc = "\u001b";
const bel = "\u0007";
const stringEnd = "\u009c";
const colour = `${esc}\\[[0-9;:]*m`;
/** Longest first: a CSI sequence; a string sequence with its end; any other escape; an opener without its end. */
const sequence = [
  `(?:${esc}\\[|\\u009b)[0-?]*[ -/]*[@-~]`,
  `(?:${esc}[\\]PX^_]|[\\u009d\\u0090\\u0098\\u009e\\u009f])[^${esc}${bel}${stringEnd}]*(?:${bel}|${esc}\\\\|${stringEnd})`,
  `${esc}[ -/]*[0-~]`,
].join("|");
/** Control characters but for the tab; line and paragraph separators; marks that turn the reading direction. */
const invisible = "(?!\\t)[\\p{Cc}\\u2028\\u2029\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]";
const coloursAndUnsafe = new RegExp(`(${colour})|${sequence}|${invisible}`, "gu");

/** One line with nothing in it but characters. */
export function plainText(line: string): string {
  return line.replaceAll(coloursAndUnsafe, "");
}

/** As many lines as the text has, each with nothing in it but characters. */
export function plainLines(text: string): string[] {
  return text.split(/\r?\n/).map(plainText);
}

/** One line with its colours, reset at the end. */
export function colouredText(line: string): string {
  let coloured = false;
  const text = line.replaceAll(coloursAndUnsafe, (_, code: string | undefined) => {
    coloured ||= code !== undefined;
    return code ?? "";
  });
  return coloured ? `${text}${esc}[0m` : text;
}

/** A carriage return begins the line again (a progress bar): each beginning becomes a line of its own, none is hidden. */
export function splitReturns(line: string): string[] {
  const lines = line.split("\r").filter((part) => part !== "");
  return lines.length === 0 ? [""] : lines;
}

/** Columns that `text`, which holds nothing but characters, takes in a terminal. */
export function displayWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes().segment(text)) width += graphemeWidth(segment);
  return width;
}

/** At most `columns` wide, with `…` where something was cut off. Tabs become single spaces. */
export function truncate(text: string, columns: number): string {
  const line = text.replaceAll("\t", " ");
  // A character takes at least half a column's worth of code units only in theory; this bounds the work on huge lines.
  const bounded = line.slice(0, columns * 16);
  if (bounded.length === line.length && displayWidth(line) <= columns) return line;
  let width = 0;
  let kept = "";
  for (const { segment } of graphemes().segment(bounded)) {
    width += graphemeWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return columns < 1 ? "" : `${kept}…`;
}

let segmenter: Intl.Segmenter | undefined;
/** Made when first needed: it costs milliseconds, and ASCII needs none. */
function graphemes(): Intl.Segmenter {
  return (segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" }));
}

function graphemeWidth(grapheme: string): number {
  if (/^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]*$/u.test(grapheme)) return 0;
  if (/\p{Emoji_Presentation}|\ufe0f/u.test(grapheme)) return 2;
  return isWide(grapheme.codePointAt(0) ?? 0) ? 2 : 1;
}

/** East Asian Wide and Fullwidth, in blocks (Unicode Standard Annex 11). */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];

function isWide(codePoint: number): boolean {
  return wideRanges.some(([first, last]) => codePoint >= first && codePoint <= last);
}
