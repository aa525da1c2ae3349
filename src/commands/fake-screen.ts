/**
 * What a terminal of a given size would show: enough of one to check the live view. Knows printing with wrap, newline, return,
 * cursor up, erase to the end of line and screen, and scrolls; fails on any other control sequence, because the views must
 * write no other. Characters are one column wide here.
 */

const esc = "\u001b";

export function screenOf(output: string, columns: number, rows: number): string[] {
  let lines: string[] = [""];
  let row = 0;
  let column = 0;

  function newline(): void {
    row += 1;
    column = 0;
    if (row === lines.length) lines.push("");
    if (lines.length > rows) {
      lines = lines.slice(lines.length - rows);
      row = lines.length - 1;
    }
  }

  function print(character: string): void {
    if (column === columns) newline();
    const line = (lines[row] ?? "").padEnd(column);
    lines[row] = line.slice(0, column) + character + line.slice(column + 1);
    column += 1;
  }

  const tokens = output.match(new RegExp(`${esc}\\[[?0-9;]*[A-Za-z]|[^]`, "gu")) ?? [];
  for (const token of tokens) {
    if (token === "\n") newline();
    else if (token === "\r") column = 0;
    else if (!/\p{Cc}/u.test(token)) print(token);
    else if (token.endsWith("A")) row = Math.max(0, row - Number(token.slice(2, -1)));
    else if (token.endsWith("K")) lines[row] = (lines[row] ?? "").slice(0, column);
    else if (token.endsWith("J")) {
      lines[row] = (lines[row] ?? "").slice(0, column);
      lines = lines.slice(0, row + 1);
    } else if (!/^\[(?:\?(?:25|2026)[hl]|[0-9;]*m)$/u.test(token.slice(1))) {
      throw new Error(`The screen does not know ${JSON.stringify(token)}`);
    }
  }
  return lines.map((line) => line.trimEnd());
}
