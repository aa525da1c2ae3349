/** Styled text broken into lines at its spaces, and where it says so by `\n`. A word wider than a line is cut into several. */
import { displayWidth } from "./display-text.ts";
import { span } from "./line.ts";
import type { Line, Span } from "./line.ts";

/** Spans hold characters, spaces and `\n` only. Linear but for words wider than a line. */
export function wrapSpans(spans: readonly Span[], columns: number): Line[] {
  const lines: Line[] = [];
  let line: Span[] = [];
  let left = columns;

  function end(): void {
    lines.push(line);
    line = [];
    left = columns;
  }

  function add(text: string, style: Span["style"]): void {
    const last = line.at(-1);
    if (last !== undefined && last.style === style) line[line.length - 1] = span(last.text + text, style);
    else line.push(span(text, style));
    left -= displayWidth(text);
  }

  for (const { text, style } of spans) {
    for (const word of text.match(/\n|[^\S\n]+|\S+/gu) ?? []) {
      if (word === "\n") end();
      else if (/^\s/u.test(word)) {
        if (line.length > 0 && left > 0) add(" ", style);
      } else {
        if (displayWidth(word) > left && line.length > 0) end();
        for (const part of displayWidth(word) > left ? splitWord(word, columns) : [word]) {
          if (displayWidth(part) > left) end();
          add(part, style);
        }
      }
    }
  }
  if (line.length > 0) lines.push(line);
  return lines.map(withoutEndingSpace);
}

function splitWord(word: string, columns: number): string[] {
  const parts: string[] = [];
  let part = "";
  let width = 0;
  for (const character of word) {
    const more = displayWidth(character);
    if (width + more > columns && part !== "") {
      parts.push(part);
      part = "";
      width = 0;
    }
    part += character;
    width += more;
  }
  return [...parts, part];
}

export function withoutEndingSpace(line: Line): Line {
  const last = line.at(-1);
  if (last === undefined) return line;
  const text = last.text.trimEnd();
  return text === "" ? withoutEndingSpace(line.slice(0, -1)) : [...line.slice(0, -1), span(text, last.style)];
}
