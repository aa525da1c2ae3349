/**
 * Expands an evaluated `strategy.matrix` into one cell per job: the product of its vectors in key order (the last one runs
 * fastest), less what `exclude` matches in part, plus what `include` adds. An include entry whose keys of the original matrix
 * all match extends a cell and never overwrites an original key; one that matches no cell becomes a cell of its own.
 * Keys are case-insensitive, values keep their types, the input is not changed. Expressions are evaluated by the caller.
 * Source: ACTIONS-CONTRACT §3.5, GitHub "Running variations of jobs in a workflow"; the messages are GitHub's where it has one.
 */
import { entriesOf, isMapping, mappingOf, member } from "../context/mapping.ts";
import { areEqual, isArray, toText } from "../expression/coerce.ts";
import { keysOf, objectFromEntries } from "../expression/ordered-object.ts";
import type { ObjectValue } from "../expression/ordered-object.ts";
import type { Value } from "../expression/template.ts";
import type { MatrixCell } from "./plan.ts";

export type MatrixExpansion =
  | { readonly kind: "cells"; readonly cells: readonly MatrixCell[] }
  | { readonly kind: "refused"; readonly message: string };

/** GitHub's figure. */
export const MAX_CELLS = 256;

/** With `exclude` the product may be larger than what is left of it, so the work is bounded too, not only the result. */
const MAX_COMPARISONS = 200_000;

/**
 * Of values compared and put into names, about a second's worth: a value may be a tree of thousands. What `include` adds is held
 * by every cell it matches, so a key that is held costs as much as fifty that are compared.
 */
const MAX_WORK = 5_000_000;
const WORK_OF_HELD_KEY = 50;

const MAX_LABEL_LENGTH = 100;

/** What expanding may cost; the matrices of one plan share it, as a file may hold thousands of them. */
export class MatrixWork {
  #left = MAX_WORK;

  /** Throws what `expandMatrix` turns into a refusal. */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw new TooMuchWork();
  }
}

class TooMuchWork extends Error {}

export function expandMatrix(matrix: Value, work: MatrixWork = new MatrixWork()): MatrixExpansion {
  try {
    return expand(matrix, work);
  } catch (error) {
    if (!(error instanceof TooMuchWork)) throw error;
    return { kind: "refused", message: "Matrix holds too many values to be expanded" };
  }
}

function expand(matrix: Value, work: MatrixWork): MatrixExpansion {
  const parts = readMatrix(matrix);
  if (typeof parts === "string") return { kind: "refused", message: parts };
  const { vectors, exclude, include } = parts;
  const count = vectors.length === 0 ? 0 : vectors.reduce((product, [, values]) => product * values.length, 1);
  if (count > MAX_CELLS && exclude.length === 0) return tooMany(count);
  if (count * (1 + exclude.length + include.length) > MAX_COMPARISONS) return tooMany(count);

  const cells: MatrixCell[] = [];
  const matched = new Set<IncludeEntry>();
  for (let index = 0; index < count; index += 1) {
    work.spend(vectors.length);
    const original = combination(vectors, index);
    if (exclude.some((filter) => matches(original, filter, work))) continue;
    if (cells.length === MAX_CELLS) return tooMany(undefined);
    const entries = include.filter((entry) => matches(original, entry.filter, work));
    for (const entry of entries) matched.add(entry);
    cells.push({ values: extend(original, entries, work), label: labelOf(original, work) });
  }
  const additional = include.filter((entry) => !matched.has(entry));
  if (cells.length + additional.length > MAX_CELLS) return tooMany(cells.length + additional.length);
  for (const entry of additional) {
    const values = extend(entry.filter, [entry], work);
    cells.push({ values, label: labelOf(values, work) });
  }
  // As on GitHub (its `EvaluateStrategy`): a job of which everything was excluded runs once, without a matrix.
  return { kind: "cells", cells: cells.length === 0 ? [{ values: objectFromEntries([]), label: "" }] : cells };
}

interface Parts {
  readonly vectors: readonly (readonly [name: string, values: readonly Value[]])[];
  readonly exclude: readonly ObjectValue[];
  readonly include: readonly IncludeEntry[];
}

/** `filter` holds the keys that the original matrix has too, `extra` the others. */
interface IncludeEntry {
  readonly filter: ObjectValue;
  readonly extra: ObjectValue;
}

/** The parts, or what is wrong with them. */
function readMatrix(matrix: Value): Parts | string {
  if (!isMapping(matrix)) return "Matrix must be a mapping";
  const vectors: [string, readonly Value[]][] = [];
  const names = new Set<string>();
  for (const [name, values] of entriesOf(matrix)) {
    if (name === "include" || name === "exclude") continue;
    if (!isArray(values)) return `Matrix vector '${name}' must be a sequence`;
    if (values.length === 0) return `Matrix vector '${name}' does not contain any values`;
    if (names.has(name.toLowerCase())) return `Matrix vector '${name}' is defined more than once`;
    names.add(name.toLowerCase());
    vectors.push([name, values]);
  }
  const exclude = readEntries(matrix, "exclude");
  if (typeof exclude === "string") return exclude;
  const include = readEntries(matrix, "include");
  if (typeof include === "string") return include;
  if (vectors.length === 0 && include.length === 0) return "Matrix must define at least one vector";
  for (const key of exclude.flatMap((filter) => keysOf(filter))) {
    if (!names.has(key.toLowerCase())) return `Matrix exclude key '${key}' does not match any key within the matrix`;
  }
  return { vectors, exclude, include: include.map((entry) => splitEntry(entry, names)) };
}

function readEntries(matrix: ObjectValue, key: "include" | "exclude"): readonly ObjectValue[] | string {
  const entries = matrix[key] ?? [];
  if (!isArray(entries)) return `Matrix ${key} must be a sequence`;
  const mappings: ObjectValue[] = [];
  for (const entry of entries) {
    if (!isMapping(entry)) return `Matrix ${key} must be a sequence of mappings`;
    if (keysOf(entry).length === 0) {
      return key === "exclude"
        ? "Matrix exclude filter must not be empty"
        : "Matrix include mapping does not contain any values";
    }
    mappings.push(entry);
  }
  return mappings;
}

function splitEntry(entry: ObjectValue, names: ReadonlySet<string>): IncludeEntry {
  const isOriginal = ([key]: readonly [string, Value]) => names.has(key.toLowerCase());
  const entries = entriesOf(entry);
  return {
    filter: objectFromEntries(entries.filter(isOriginal)),
    extra: objectFromEntries(entries.filter((pair) => !isOriginal(pair))),
  };
}

/** The combination at that place of the product. */
function combination(vectors: Parts["vectors"], index: number): ObjectValue {
  const chosen: [string, Value | undefined][] = [];
  let rest = index;
  for (const [name, values] of vectors.toReversed()) {
    chosen.push([name, values[rest % values.length]]);
    rest = Math.floor(rest / values.length);
  }
  return mappingOf(chosen.toReversed());
}

/** Compares the filter's scalars, wherever they are nested; what the filter does not name does not count. */
function matches(actual: Value, filter: Value, work: MatrixWork): boolean {
  work.spend(1);
  if (isArray(filter)) return filter.every((item, index) => matches(itemAt(actual, index), item, work));
  if (!isMapping(filter)) return areEqual(actual, filter);
  return keysOf(filter).every((key) => {
    // A key that is spelled otherwise is looked for among all.
    if (isMapping(actual) && !Object.hasOwn(actual, key)) work.spend(keysOf(actual).length);
    return matches(member(actual, key) ?? null, filter[key] ?? null, work);
  });
}

function itemAt(value: Value, index: number): Value {
  return isArray(value) ? (value[index] ?? null) : null;
}

/** Extras overwrite those of earlier entries, whatever the case of their keys; originals are never among them. */
function extend(original: ObjectValue, entries: readonly IncludeEntry[], work: MatrixWork): ObjectValue {
  for (const { extra } of entries) work.spend(WORK_OF_HELD_KEY * keysOf(extra).length);
  const spelling = new Map<string, string>();
  const extras = entries.flatMap((entry) =>
    entriesOf(entry.extra).map(([key, value]): [string, Value] => {
      const known = spelling.get(key.toLowerCase()) ?? key;
      spelling.set(key.toLowerCase(), known);
      return [known, value];
    }),
  );
  return objectFromEntries([...entriesOf(original), ...extras]);
}

/** What GitHub puts in brackets after the job's name: scalars in order, those within sequences and mappings too; nulls and empty strings say nothing. */
function labelOf(values: Value, work: MatrixWork): string {
  let label = "";
  for (const value of scalarsOf(values)) {
    work.spend(1);
    const text = toText(value);
    if (text !== "") label = label === "" ? text : `${label}, ${text}`;
    if (label.length > MAX_LABEL_LENGTH) break;
  }
  return cut(label);
}

function* scalarsOf(value: Value): Generator<Value> {
  if (isArray(value)) for (const item of value) yield* scalarsOf(item);
  else if (isMapping(value)) for (const [, item] of entriesOf(value)) yield* scalarsOf(item);
  else yield value;
}

function cut(text: string): string {
  return text.length > MAX_LABEL_LENGTH ? `${text.slice(0, MAX_LABEL_LENGTH - 3)}...` : text;
}

function tooMany(count: number | undefined): MatrixExpansion {
  const jobs = count === undefined ? `more than ${MAX_CELLS} jobs` : `${count} jobs`;
  return { kind: "refused", message: `Matrix would make ${jobs}; the limit is ${MAX_CELLS}` };
}
