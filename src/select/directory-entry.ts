/** Finds what a directory holds by a name as it stands on GitHub, where owners and repositories have no case. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** As it is written, else in whatever case it is there: names on GitHub have none. */
export async function entryOf(directory: string | undefined, wanted: string): Promise<string | undefined> {
  if (directory === undefined) return undefined;
  try {
    const names = await readdir(directory);
    const found = names.find((name) => name === wanted) ?? names.find((name) => isSameName(name, wanted));
    return found === undefined ? undefined : join(directory, found);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

export function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
