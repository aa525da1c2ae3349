/** What the working tree holds that HEAD does not. Reads the whole tree: asked for only where a path filter wants to know. */
import { filtersOf, git, splitNul, withoutFilters } from "./git.ts";

/** Paths that differ from HEAD or are not in it, ignored ones aside. `root` is the top of a working tree. */
export async function uncommittedFiles(root: string): Promise<readonly string[]> {
  const filters = await filtersOf({ cwd: root });
  const format = ["--porcelain=v2", "-z", "--no-ahead-behind", "--no-renames"];
  // Submodules count by the commit they are at: looking for changes inside them would run git under their configuration.
  const extent = ["--untracked-files=all", "--ignore-submodules=dirty"];
  return splitNul(await git([...withoutFilters(filters), "status", ...format, ...extent], { cwd: root })).flatMap(
    pathOf,
  );
}

/** Source: git-status(1), "Porcelain Format Version 2". */
function pathOf(entry: string): string[] {
  if (entry.startsWith("1 ")) return [withoutWords(entry, 8)];
  if (entry.startsWith("u ")) return [withoutWords(entry, 10)];
  return entry.startsWith("? ") ? [withoutWords(entry, 1)] : [];
}

/** A path may hold spaces, so the words before it are counted off rather than split. */
function withoutWords(text: string, count: number): string {
  let at = 0;
  for (let word = 0; word < count; word++) at = text.indexOf(" ", at) + 1;
  return text.slice(at);
}
