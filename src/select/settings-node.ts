/**
 * Reading `hearth.yml` node by node: every key must be known, every value of its type, and each fault has its place. Aliases
 * are followed. What the keys mean is for `runner-settings.ts` and `named-values.ts`.
 */
import { isAlias, isMap, isScalar, isSeq } from "yaml";
import type { Document, LineCounter, Node } from "yaml";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";

export const HEARTH_FILE = "hearth.yml";

export interface Reader {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly diagnostics: Diagnostic[];
}

/** A value, with the place to name where it is not there or wrong. */
export interface Place {
  readonly node: Node | null;
  /** Dotted from the root, which is empty. */
  readonly key: string;
  readonly at: Position;
}

export interface Entry extends Place {
  readonly name: Node;
}

/** Gives each member to the reader of its key; a key that has none is a fault that says which there are. */
export function readMembers(
  reader: Reader,
  place: Place,
  members: { readonly [name: string]: (value: Place) => unknown },
): void {
  const seen = new Set<string>();
  for (const entry of readEntries(reader, place)) {
    const name = nameOf(entry) ?? "";
    const read = Object.hasOwn(members, name) ? members[name] : undefined;
    if (seen.has(name)) fault(reader, entry, `The key '${name}' comes twice`);
    else if (read !== undefined) read(entry);
    else {
      const allowed = Object.keys(members).join(", ");
      fault(reader, { ...entry, node: entry.name }, `There is no key '${name}' here; allowed are: ${allowed}`);
    }
    seen.add(name);
  }
}

export function readEntries(reader: Reader, place: Place): readonly Entry[] {
  const { node, key } = place;
  if (node === null || (isScalar(node) && node.value === null)) return [];
  if (!isMap(node)) {
    fault(reader, place, "Expected a mapping");
    return [];
  }
  return node.items.map((pair): Entry => {
    const name = resolved(reader, pair.key) ?? node;
    const text = isScalar(name) ? String(name.value) : "";
    const own = key === "" ? text : `${key}.${text}`;
    return { name, node: resolved(reader, pair.value), key: own, at: positionOf(reader, name, place.at) };
  });
}

/** The items of a list. */
export function readItems(reader: Reader, place: Place): readonly Place[] {
  const { node, key } = place;
  if (!isSeq(node)) {
    fault(reader, place, "Expected a list");
    return [];
  }
  return node.items.map((item, index) => {
    return { node: resolved(reader, item), key: `${key}[${index}]`, at: positionOf(reader, node, place.at) };
  });
}

/** Aliases that contain themselves, or lead nowhere, are refused with the text. */
function resolved({ document }: Reader, node: unknown): Node | null {
  if (isAlias(node)) return node.resolve(document) ?? null;
  return isScalar(node) || isMap(node) || isSeq(node) ? node : null;
}

export function nameOf({ name }: Entry): string | undefined {
  return isScalar(name) ? textOfScalar(name) : undefined;
}

/** A number or a boolean is taken as it was written; nothing at all is the empty text. */
export function textOf(reader: Reader, place: Place, expected: string): string | undefined {
  const text = place.node === null ? "" : isScalar(place.node) ? textOfScalar(place.node) : undefined;
  if (text === undefined) fault(reader, place, `Expected ${expected}`);
  return text;
}

function textOfScalar({ value, source }: { readonly value: unknown; readonly source?: string }): string {
  if (value === null) return "";
  return typeof value === "string" ? value : (source ?? JSON.stringify(value));
}

export function oneOf<T extends string>(reader: Reader, place: Place, allowed: readonly T[]): T | undefined {
  const found = isScalar(place.node)
    ? allowed.find((one) => isScalar(place.node) && one === place.node.value)
    : undefined;
  if (found === undefined) fault(reader, place, `Expected one of: ${allowed.join(", ")}`);
  return found;
}

export function fault(reader: Reader, { node, key, at }: Place, message: string): void {
  reader.diagnostics.push({
    kind: "error",
    file: HEARTH_FILE,
    at: positionOf(reader, node, at),
    key: key === "" ? undefined : key,
    message,
  });
}

function positionOf({ lines }: Reader, node: Node | null, otherwise: Position): Position {
  const offset = node?.range?.[0];
  if (offset === undefined) return otherwise;
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}
