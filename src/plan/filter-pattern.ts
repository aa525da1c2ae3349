/**
 * GitHub's filter language for branches, tags and paths: not a glob. `?` and `+` are quantifiers on what stands before them,
 * lists are read in order and the last match decides. The whole name must match, case and all, so `main` is not `main-evil`.
 * Names come from whoever can push: matching is linear in pattern times name, and nothing backtracks.
 * Source: ACTIONS-CONTRACT §7.3, GitHub "Workflow syntax", filter pattern cheat sheet.
 */
import { unreachable } from "../lib/unreachable.ts";

/** One pattern of a list, ready to match. */
export interface Filter {
  readonly negated: boolean;
  readonly parts: readonly Part[];
}

export type FilterParse =
  | { readonly kind: "filters"; readonly filters: readonly Filter[] }
  /** What GitHub's language gives no meaning to is refused rather than guessed: a guess could let a push through. */
  | { readonly kind: "invalid"; readonly pattern: string; readonly reason: string };

/** `one` consumes a character; `skip` may leave out the next two parts: two stars and a slash also stand for no directory. */
type Part =
  | { readonly kind: "one"; readonly set: CharacterSet; readonly optional: boolean; readonly repeated: boolean }
  | { readonly kind: "skip" };

type CharacterSet =
  | { readonly kind: "literal"; readonly character: string }
  | { readonly kind: "any" }
  | { readonly kind: "not_slash" }
  | { readonly kind: "class"; readonly ranges: readonly { readonly from: string; readonly to: string }[] };

export function parseFilters(patterns: readonly string[]): FilterParse {
  const filters: Filter[] = [];
  for (const pattern of patterns) {
    const parsed = parsePattern(pattern);
    if (typeof parsed === "string") return { kind: "invalid", pattern, reason: parsed };
    filters.push(parsed);
  }
  return { kind: "filters", filters };
}

/** Whether an ordered list lets a name pass: the last pattern that matches decides, and without a match the answer is no. */
export function lastMatchDecides(filters: readonly Filter[], name: string): boolean {
  const characters = Array.from(name);
  return filters.findLast((filter) => matchesWhole(filter.parts, characters))?.negated === false;
}

/** Follows all ways through the pattern at once. `reached[i]` says that everything before part `i` has matched so far. */
function matchesWhole(parts: readonly Part[], characters: readonly string[]): boolean {
  let reached = new Uint8Array(parts.length + 1);
  reached[0] = 1;
  passOptionalParts(parts, reached);
  for (const character of characters) {
    const next = new Uint8Array(parts.length + 1);
    for (const [index, part] of parts.entries()) {
      if (reached[index] === 0 || part.kind === "skip" || !contains(part.set, character)) continue;
      next[index + 1] = 1;
      if (part.repeated) next[index] = 1;
    }
    passOptionalParts(parts, next);
    reached = next;
  }
  return reached[parts.length] === 1;
}

/** One pass in ascending order is enough, as every way that consumes nothing leads forward. */
function passOptionalParts(parts: readonly Part[], reached: Uint8Array): void {
  for (const [index, part] of parts.entries()) {
    if (reached[index] === 0) continue;
    if (part.kind === "skip") {
      reached[index + 1] = 1;
      reached[index + 3] = 1;
    } else if (part.optional) {
      reached[index + 1] = 1;
    }
  }
}

function contains(set: CharacterSet, character: string): boolean {
  switch (set.kind) {
    case "literal":
      return set.character === character;
    case "any":
      return true;
    case "not_slash":
      return character !== "/";
    case "class":
      return set.ranges.some(({ from, to }) => from <= character && character <= to);
    default:
      return unreachable(set);
  }
}

/** The filter, or why the pattern cannot be read. */
function parsePattern(pattern: string): Filter | string {
  const negated = pattern.startsWith("!");
  const characters = Array.from(pattern).slice(negated ? 1 : 0);
  if (characters.length === 0) return "it is empty";
  const parts: Part[] = [];
  let index = 0;
  while (index < characters.length) {
    const character = characters[index];
    if (character === "*") {
      index = parseStars(characters, index, parts);
      continue;
    }
    if (character === "?" || character === "+") {
      return `'${character}' repeats the character before it, and here is none to repeat; write '\\${character}' for the character itself`;
    }
    const one = parseOne(characters, index);
    if (typeof one === "string") return one;
    const quantifier = characters[one.next];
    parts.push({ kind: "one", set: one.set, optional: quantifier === "?", repeated: quantifier === "+" });
    index = quantifier === "?" || quantifier === "+" ? one.next + 1 : one.next;
  }
  return { negated, parts };
}

/** One star or two; more say no more than two. Two at the start of a segment, with a slash after them, may be no directory. */
function parseStars(characters: readonly string[], start: number, parts: Part[]): number {
  let end = start;
  while (characters[end] === "*") end += 1;
  if (end - start === 1) {
    parts.push({ kind: "one", set: { kind: "not_slash" }, optional: true, repeated: true });
    return end;
  }
  const startsSegment = start === 0 || characters[start - 1] === "/";
  const after = characters[end + 1];
  const endsSegment = characters[end] === "/" && after !== "?" && after !== "+";
  if (startsSegment && endsSegment) parts.push({ kind: "skip" });
  parts.push({ kind: "one", set: { kind: "any" }, optional: true, repeated: true });
  return end;
}

/** A class, an escaped character or a plain one, and the index after it. */
function parseOne(
  characters: readonly string[],
  index: number,
): { readonly set: CharacterSet; readonly next: number } | string {
  const character = characters[index];
  if (character === "[") return parseClass(characters, index + 1);
  if (character !== "\\") return { set: { kind: "literal", character: character ?? "" }, next: index + 1 };
  const escaped = characters[index + 1];
  if (escaped === undefined) return "it ends with '\\', which escapes the character after it";
  return { set: { kind: "literal", character: escaped }, next: index + 2 };
}

function parseClass(
  characters: readonly string[],
  start: number,
): { readonly set: CharacterSet; readonly next: number } | string {
  const ranges: { from: string; to: string }[] = [];
  let index = start;
  while (characters[index] !== "]") {
    if (characters[index] === "\\") index += 1;
    const from = characters[index];
    if (from === undefined) return "'[' has no ']'";
    const to = characters[index + 2];
    if (characters[index + 1] !== "-" || to === undefined || to === "]") {
      ranges.push({ from, to: from });
      index += 1;
      continue;
    }
    if (!isRange(from, to)) return `'${from}-${to}' is no range: ranges are within a-z, A-Z or 0-9`;
    ranges.push({ from, to });
    index += 3;
  }
  if (ranges.length === 0) return "'[]' names no character";
  return { set: { kind: "class", ranges }, next: index + 1 };
}

function isRange(from: string, to: string): boolean {
  const kinds = [/^[a-z]$/, /^[A-Z]$/, /^[0-9]$/];
  return from <= to && kinds.some((kind) => kind.test(from) && kind.test(to));
}
