/** Options that repeat and hold two things, such as `--env k=v`. A wrong one is a usage error that names its option. */
import { InvalidArgumentError } from "commander";

export interface Pair {
  readonly key: string;
  readonly value: string;
}

export interface SecretOption {
  readonly name: string;
  /** Undefined: taken from the environment, else asked for. */
  readonly value: string | undefined;
}

/** `k=v`; the value may be empty and may hold `=`. */
export function addAssignment(text: string, before: readonly Pair[] = []): readonly Pair[] {
  return [...before, splitPair(text, "=")];
}

/** `k:v`, as `--matrix os:ubuntu-latest`. */
export function addMatrixValue(text: string, before: readonly Pair[] = []): readonly Pair[] {
  return [...before, splitPair(text, ":")];
}

/** `k=v` where the key becomes a name in a context: a letter or `_`, then letters, digits and `_`. */
export function addVariable(text: string, before: readonly Pair[] = []): readonly Pair[] {
  const pair = splitPair(text, "=");
  if (!isName(pair.key)) throw new InvalidArgumentError(`${pair.key} is not a name: letters, digits and _ only.`);
  return [...before, pair];
}

/** `NAME` or `NAME=value`. */
export function addSecret(text: string, before: readonly SecretOption[] = []): readonly SecretOption[] {
  const at = text.indexOf("=");
  const name = at === -1 ? text : text.slice(0, at);
  // Not the text itself: it may be the value, with the name forgotten.
  if (!isName(name)) throw new InvalidArgumentError("Expected NAME or NAME=value; letters, digits and _ in the name.");
  return [...before, { name, value: at === -1 ? undefined : text.slice(at + 1) }];
}

export function addText(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 1_000)
    throw new InvalidArgumentError("Expected a number from 1 to 1000.");
  return count;
}

const ageUnitsMs: { readonly [unit: string]: number } = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `12h`, `45m`; in milliseconds. */
export function parseAge(text: string): number {
  const unit = ageUnitsMs[/^\d{1,6}([mhd])$/.exec(text)?.[1] ?? ""];
  if (unit === undefined) throw new InvalidArgumentError("Expected a number with m, h or d, as 30d.");
  return Number(text.slice(0, -1)) * unit;
}

/** The last of several with the same key wins. `__proto__` becomes a key like others. */
export function toRecord(pairs: readonly Pair[] = []): { readonly [key: string]: string } {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
}

function isName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);
}

function splitPair(text: string, separator: string): Pair {
  const at = text.indexOf(separator);
  if (at < 1) throw new InvalidArgumentError(`Expected key${separator}value.`);
  return { key: text.slice(0, at), value: text.slice(at + 1) };
}
