/**
 * GitHub's coercions: what is true, how a value reads as text or as a number, and when two values are equal.
 * Text is compared without case; objects and arrays are equal only to themselves.
 * Source: ACTIONS-CONTRACT §1.5, GitHub "Evaluate expressions in workflows and actions".
 */
import { numberToText, textToNumber } from "./number-text.ts";
import type { ObjectValue } from "./ordered-object.ts";
import type { Value } from "./template.ts";

export function isTruthy(value: Value): boolean {
  return typeof value === "number" ? value !== 0 && !Number.isNaN(value) : Boolean(value) || isCollection(value);
}

export function toText(value: Value): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number") return numberToText(value);
  if (typeof value === "boolean") return String(value);
  return isArray(value) ? "Array" : "Object";
}

export function toNumber(value: Value): number {
  if (typeof value === "number") return value;
  if (typeof value === "string") return textToNumber(value);
  return isCollection(value) ? Number.NaN : Number(value);
}

export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isCollection(value: Value): value is readonly Value[] | ObjectValue {
  return typeof value === "object" && value !== null;
}

export function areEqual(left: Value, right: Value): boolean {
  const [a, b] = toSameKind(left, right);
  return typeof a === "string" && typeof b === "string" ? foldCase(a) === foldCase(b) : a === b;
}

/** Values of kinds that have no order are neither greater nor less. */
export function isGreater(left: Value, right: Value): boolean {
  const [a, b] = toSameKind(left, right);
  if (typeof a === "string" && typeof b === "string") return foldCase(a) > foldCase(b);
  if (typeof a === "number" && typeof b === "number") return a > b;
  return a === true && b === false;
}

/** Upper case, except the dotless i, which .NET's ordinal comparison leaves alone. */
export function foldCase(text: string): string {
  if (!text.includes("ı")) return text.toUpperCase();
  return text
    .split("ı")
    .map((part) => part.toUpperCase())
    .join("ı");
}

/** Of two kinds, null and booleans become numbers, and text beside a number becomes one. */
function toSameKind(left: Value, right: Value): readonly [Value, Value] {
  if (kindOf(left) === kindOf(right)) return [left, right];
  if (isCollection(left) || isCollection(right)) return [Number.NaN, Number.NaN];
  return [toNumber(left), toNumber(right)];
}

function kindOf(value: Value): string {
  if (value === null) return "null";
  return isArray(value) ? "array" : typeof value;
}
