/** `format('{0} of {1}', …)`: braces are doubled to stand for themselves; anything else in braces is an error, as on GitHub. */
import { toText } from "./coerce.ts";
import { ExpressionError } from "./expression-error.ts";
import type { Value } from "./template.ts";

/** `onPiece` sees every piece of the result as it is made, and may throw to stop. */
export function format(text: string, values: readonly Value[], onPiece: (piece: string) => void): string {
  const pieces: string[] = [];
  let end = 0;
  for (const match of text.matchAll(/\{\{|\}\}|\{(\d+)[^{}]*\}|[{}]/g)) {
    const { 0: token, 1: number, index } = match;
    pieces.push(text.slice(end, index), replacementOf(token, number, text, values));
    onPiece(pieces.at(-2) ?? "");
    onPiece(pieces.at(-1) ?? "");
    end = index + token.length;
  }
  pieces.push(text.slice(end));
  return pieces.join("");
}

function replacementOf(token: string, number: string | undefined, text: string, values: readonly Value[]): string {
  if (token === "{{" || token === "}}") return token.slice(1);
  if (number === undefined) throw new ExpressionError(`The following format string is invalid: ${text}`);
  const value = values[Number(number)];
  if (value === undefined) {
    throw new ExpressionError(`The following format string references more arguments than were supplied: ${text}`);
  }
  return toText(value);
}
