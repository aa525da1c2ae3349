/** What the cache built-ins ask of their inputs and surroundings, in the words of `actions/cache`. */
import { isFeatureAvailable } from "@actions/cache";
import { getInput, info } from "@actions/core";

/** One a line; `! x` means `!x`. */
export function linesOf(name: string, options: { readonly required?: boolean } = {}): string[] {
  return getInput(name, options)
    .split("\n")
    .map((line) => line.replace(/^!\s+/u, "!").trim())
    .filter((line) => line !== "");
}

/** Keys are compared without regard to case. */
export function isSameKey(key: string, found: string | undefined): boolean {
  return found !== undefined && found.localeCompare(key, undefined, { sensitivity: "accent" }) === 0;
}

/** A warning that is no annotation, as there. */
export function warn(message: string): void {
  info(`[warning]${message}`);
}

export function canCache(): boolean {
  if (isFeatureAvailable()) return true;
  warn("There is no cache service here.");
  return false;
}
