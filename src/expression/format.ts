/**
 * `format('{0} of {1}', …)`: braces are doubled to stand for themselves; anything else in braces is an error, as in GitHub's runner
 * (`Format.cs`): the index is a byte, and what may follow it behind a colon is valid for no kind of value.
 */
import { isArray, isCollection, toText } from "./coerce.ts";
import { ExpressionError } from "./expression-error.ts";
import type { Value } from "./template.ts";

const LARGEST_INDEX = 255;

/** `onPiece` sees every piece of the result as it is made, and may throw to stop. */
export function format(text: string, values: readonly Value[], onPiece: (piece: string) => void): string {
  const pieces: string[] = [];
  const add = (piece: string): void => {
    onPiece(piece);
    pieces.push(piece);
  };
  let end = 0;
  for (const match of text.matchAll(/\{\{|\}\}|\{(\d+)(?::([^}]*))?\}|[{}]/g)) {
    const { 0: token, 1: number, 2: specifiers, index } = match;
    add(text.slice(end, index));
    add(number === undefined ? braceOf(token, text) : valueAt(Number(number), specifiers, text, values));
    end = index + token.length;
  }
  add(text.slice(end));
  return pieces.join("");
}

function braceOf(token: string, text: string): string {
  if (token.length === 1) throw new ExpressionError(`The following format string is invalid: ${text}`);
  return token.slice(1);
}

function valueAt(index: number, specifiers: string | undefined, text: string, values: readonly Value[]): string {
  if (index > LARGEST_INDEX) throw new ExpressionError(`The following format string is invalid: ${text}`);
  const value = values[index];
  if (value === undefined) {
    throw new ExpressionError(`The following format string references more arguments than were supplied: ${text}`);
  }
  if (specifiers !== undefined && specifiers !== "") {
    throw new ExpressionError(
      `The format specifiers '${specifiers}' are not valid for objects of type '${kindOf(value)}'`,
    );
  }
  return toText(value);
}

/** As GitHub names it. */
function kindOf(value: Value): string {
  if (value === null) return "Null";
  if (isArray(value)) return "Array";
  if (isCollection(value)) return "Object";
  const kind = typeof value;
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}
