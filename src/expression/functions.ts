/**
 * GitHub's general functions that take values and give a value. `case` is lazy and lives in `evaluate-expression.ts`;
 * status functions and `hashFiles` come from the caller's scope. Every piece made is counted against the memory limit
 * while it is made. Source: ACTIONS-CONTRACT §1.5.
 */
import { areEqual, foldCase, isArray, isCollection, toText } from "./coerce.ts";
import { ExpressionError } from "./expression-error.ts";
import { format } from "./format.ts";
import { parseJson, printJson } from "./json.ts";
import type { Memory } from "./memory.ts";
import type { Value } from "./template.ts";

type ExpressionFunction = (args: readonly Value[], memory: Memory) => Value;

/** What parsing a character costs beside looking at it. */
const PARSING = 8;

/** By lower-case name. The parser has checked the number of arguments. */
export const generalFunctions: ReadonlyMap<string, ExpressionFunction> = new Map<string, ExpressionFunction>([
  ["contains", ([search = null, item = null], memory) => contains(search, item, memory)],
  ["startswith", ([search = null, value = null], memory) => hasAtEdge("startsWith", search, value, memory)],
  ["endswith", ([search = null, value = null], memory) => hasAtEdge("endsWith", search, value, memory)],
  ["format", ([text = null, ...values], memory) => format(toText(text), values, (piece) => memory.holdPiece(piece))],
  ["join", ([list = null, separator = ","], memory) => join(list, separator, memory)],
  ["tojson", ([value = null], memory) => printJson(value, (piece) => memory.holdPiece(piece))],
  ["fromjson", ([text = null], memory) => fromJson(toText(text), memory)],
]);

function contains(search: Value, item: Value, memory: Memory): boolean {
  memory.lookThrough(search);
  if (isArray(search)) {
    return search.some((element) => {
      memory.lookThrough(typeof element === "string" ? element : null);
      return areEqual(element, item);
    });
  }
  if (isCollection(search) || isCollection(item)) return false;
  memory.lookThrough(item);
  return toText(search).toLowerCase().includes(toText(item).toLowerCase());
}

function hasAtEdge(edge: "startsWith" | "endsWith", search: Value, value: Value, memory: Memory): boolean {
  if (isCollection(search) || isCollection(value)) return false;
  memory.lookThrough(search);
  memory.lookThrough(value);
  return foldCase(toText(search))[edge](foldCase(toText(value)));
}

function fromJson(text: string, memory: Memory): Value {
  memory.lookThrough(text, PARSING);
  return parseJson(text, (value) => memory.holdMade(value));
}

function join(list: Value, separator: Value, memory: Memory): string {
  if (!isArray(list)) return isCollection(list) ? "" : toText(list);
  const between = isCollection(separator) ? "," : toText(separator);
  const texts = list.map((item) => toText(item));
  for (const text of texts) {
    memory.holdPiece(text);
    memory.holdPiece(between);
  }
  return texts.join(between);
}

/** `case(test, value, …, otherwise)`: values whose turn does not come are not evaluated. */
export function evaluateCase(count: number, evaluateArgument: (index: number) => Value): Value {
  for (let index = 0; index + 1 < count; index += 2) {
    const test = evaluateArgument(index);
    if (typeof test !== "boolean") throw new ExpressionError("case predicate must evaluate to a boolean value");
    if (test) return evaluateArgument(index + 1);
  }
  return evaluateArgument(count - 1);
}
