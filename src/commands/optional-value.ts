/**
 * `hearth run --graph ci.yml`: what follows an option with an optional value is taken for that value, also where it is the
 * workflow. What cannot be a value becomes the path again.
 */
import { existsSync } from "node:fs";
import { EngineError } from "../lib/engine-error.ts";

/** As commander delivers it: absent, given without a value, given with one. */
export type OptionalValue = string | true | undefined;

export interface PathAndValue {
  readonly path: string | undefined;
  readonly value: OptionalValue;
}

/** Throws BAD_USAGE, naming `option`, for a word that is neither a value nor the only path. */
export function splitOptionalValue(
  path: string | undefined,
  value: OptionalValue,
  { option, isValue }: { readonly option: string; readonly isValue: (word: string) => boolean },
): PathAndValue {
  if (typeof value !== "string" || isValue(value)) return { path, value };
  if (path !== undefined) throw new EngineError("BAD_USAGE", `Cannot use ${option} ${value}`);
  // `--graph=png` and `--graph png` are the same to commander: a word that is no path was meant as a value.
  if (!/[./]/.test(value) && !existsSync(value)) throw new EngineError("BAD_USAGE", `Cannot use ${option} ${value}`);
  return { path: value, value: true };
}

export function isGraphFormat(word: string): boolean {
  return word === "text" || word === "svg";
}

/** Of a run's id at least the beginning. A directory that looks like one is named with `./`. */
export function isRunPrefix(word: string): boolean {
  return /^[a-z0-9]{1,11}$/.test(word);
}
