/**
 * `toJSON` and `fromJSON` as GitHub prints and reads: two spaces of indent, numbers as .NET writes them, keys in the
 * order of the text. `parseJson` serves whoever brings JSON from outside into a context.
 */
import { isArray, isCollection } from "./coerce.ts";
import { ExpressionError } from "./expression-error.ts";
import { numberToText } from "./number-text.ts";
import { keysOf, objectFromEntries } from "./ordered-object.ts";
import type { Value } from "./template.ts";

/** GitHub's own readers stop at 64 and 100; beyond this our recursion would not be safe. */
const JSON_DEPTH = 100;

/** `onValue` sees every value made, innermost first, and may throw to stop. Throws ExpressionError. */
export function parseJson(text: string, onValue: (value: Value) => void = () => {}): Value {
  if (text.trim() === "") throw new ExpressionError("Error parsing fromJson: empty input");
  if (nestingOf(text) > JSON_DEPTH) {
    throw new ExpressionError(`Error parsing fromJson: nested deeper than ${JSON_DEPTH}`);
  }
  try {
    JSON.parse(text); // before markKeys, which is only right, and only linear, on valid JSON
  } catch (error) {
    throw new ExpressionError(`Error parsing fromJson: not valid JSON${placeOf(error)}`);
  }
  return JSON.parse(markKeys(text), (_key, parsed: Value): Value => {
    const value = unmarkKeys(parsed);
    onValue(value);
    return value;
  });
}

/** V8 quotes the beginning of the text, which may be a secret's: a part of one is in no mask. Only the place is safe to tell. */
function placeOf(error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  const [place] = /at position \d+(?: \(line \d+ column \d+\))?/.exec(message) ?? [];
  return place === undefined ? "" : ` ${place}`;
}

/** `onText` sees every piece of the result as it is made, and may throw to stop. */
export function printJson(value: Value, onText: (text: string) => void = () => {}): string {
  const pieces: string[] = [];
  const push = (text: string): void => {
    onText(text);
    pieces.push(text);
  };
  print(value, "\n", push);
  return pieces.join("");
}

/** Keys get a letter in front, so that none looks like an array index and none is `__proto__` while JSON.parse works. */
function markKeys(text: string): string {
  return text.replace(/"([^"\\]*(?:\\.[^"\\]*)*")(\s*:)?/g, (match, rest: string, colon: string | undefined) =>
    colon === undefined ? match : `"k${rest}${colon}`,
  );
}

function unmarkKeys(parsed: Value): Value {
  if (!isCollection(parsed)) return parsed === 0 ? 0 : parsed; // no -0
  if (isArray(parsed)) return parsed;
  return objectFromEntries(Object.entries(parsed).map(([key, value]): [string, Value] => [key.slice(1), value]));
}

function nestingOf(text: string): number {
  let deepest = 0;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (inString) {
      if (char === "\\") i++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "[" || char === "{") deepest = Math.max(deepest, ++depth);
    else if (char === "]" || char === "}") depth--;
  }
  return deepest;
}

function print(value: Value, lineStart: string, push: (text: string) => void): void {
  if (lineStart.length > 2 * JSON_DEPTH + 1)
    throw new ExpressionError(`A value nested deeper than ${JSON_DEPTH} has no JSON`);
  if (typeof value === "string") push(JSON.stringify(value));
  else if (typeof value === "number") push(numberToText(value));
  else if (value === null || typeof value === "boolean") push(String(value));
  else if (isArray(value)) {
    printItems(
      "[",
      value.map((item) => ["", item] as const),
      "]",
      lineStart,
      push,
    );
  } else {
    printItems(
      "{",
      keysOf(value).map((key) => [`${JSON.stringify(key)}: `, value[key] ?? null] as const),
      "}",
      lineStart,
      push,
    );
  }
}

function printItems(
  open: string,
  items: readonly (readonly [label: string, value: Value])[],
  close: string,
  lineStart: string,
  push: (text: string) => void,
): void {
  if (items.length === 0) return push(open + close);
  const inner = `${lineStart}  `;
  push(open);
  items.forEach(([label, value], index) => {
    push(`${index === 0 ? "" : ","}${inner}${label}`);
    print(value, inner, push);
  });
  push(lineStart + close);
}
