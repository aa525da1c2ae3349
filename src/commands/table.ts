/** Rows as text in columns, two spaces apart, the last column as long as it is. Cells must be plain (`display-text.ts`). */
import { displayWidth } from "./display-text.ts";
import type { Output } from "./terminal.ts";

/** Below a heading. */
export function writeTable(
  { write, colors }: Output,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const [first = "", ...lines] = alignColumns([headings, ...rows]);
  write(`${colors.dim(first)}\n${lines.map((line) => `${line}\n`).join("")}`);
}

export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, displayWidth(cell));
  }
  return rows.map((row) =>
    row
      .map((cell, index) =>
        index === row.length - 1 ? cell : cell + " ".repeat((widths[index] ?? 0) - displayWidth(cell)),
      )
      .join("  ")
      .trimEnd(),
  );
}
