/** Values of expressions as the types that a key of the workflow asks for. All throw `ExpressionError`, naming the key. */
import { ExpressionError, isTruthy, toText } from "../expression/evaluate.ts";
import type { Value } from "../expression/template.ts";

/** `env`, `with`, `outputs`: names to text. */
export function textMapping(value: Value, key: string): Record<string, string> {
  if (value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new ExpressionError(`A mapping was expected for '${key}', got '${toText(value)}'`);
  }
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, toText(entry)]));
}

export function numberOf(value: Value, key: string): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || Number.isNaN(number)) {
    throw new ExpressionError(`A number was expected for '${key}', got '${toText(value)}'`);
  }
  return number;
}

/** A string says what it spells: the output of an earlier step is text. */
export function booleanOf(value: Value, key: string): boolean {
  if (typeof value !== "string") return isTruthy(value);
  const spelled = value.trim().toLowerCase();
  if (spelled === "true") return true;
  if (spelled === "false" || spelled === "") return false;
  throw new ExpressionError(`A boolean was expected for '${key}', got '${value}'`);
}
