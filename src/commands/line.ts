/** A line on the screen as pieces with a style each: measured and cut as text, coloured last. */
import type { Colors } from "picocolors/types.js";
import { displayWidth, truncate } from "./display-text.ts";

export type Style = "bold" | "italic" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Span {
  readonly text: string;
  readonly style: Style | undefined;
}

export type Line = readonly Span[];

/** `text` must be plain already (`display-text.ts`). */
export function span(text: string, style?: Style): Span {
  return { text, style };
}

/** At most `columns` wide. */
export function fitLine(line: Line, columns: number): Line {
  const fitted: Span[] = [];
  let left = columns;
  for (const { text, style } of line) {
    if (left <= 0) break;
    const cut = truncate(text, left);
    fitted.push({ text: cut, style });
    left = cut === text ? left - displayWidth(cut) : 0;
  }
  return fitted;
}

export function paintLine(line: Line, colors: Colors): string {
  return line.map(({ text, style }) => (style === undefined ? text : colors[style](text))).join("");
}

export function lineWidth(line: Line): number {
  return line.reduce((width, { text }) => width + displayWidth(text), 0);
}
