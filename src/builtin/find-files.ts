/** Which files an artifact is made of, and where it begins. Source: github.com/actions/upload-artifact, README. */
import { stat } from "node:fs/promises";
import { dirname, sep } from "node:path";
import { create } from "@actions/glob";
import { info } from "@actions/core";

export interface FoundFiles {
  readonly files: string[];
  readonly root: string;
}

/** `patterns` as in the input `path`. */
export async function findFiles(patterns: string, { hidden }: { readonly hidden: boolean }): Promise<FoundFiles> {
  const globber = await create(patterns, {
    followSymbolicLinks: true,
    implicitDescendants: true,
    omitBrokenSymbolicLinks: true,
    excludeHiddenFiles: !hidden,
  });
  const files: string[] = [];
  const seen = new Set<string>();
  for (const path of await globber.glob()) {
    if ((await stat(path)).isDirectory()) continue;
    files.push(path);
    if (seen.has(path.toLowerCase())) {
      info(
        `Uploads are case insensitive: ${path} was detected that it will be overwritten by another file with the same path`,
      );
    }
    seen.add(path.toLowerCase());
  }
  const searchPaths = globber.getSearchPaths();
  const [only = ""] = searchPaths;
  if (searchPaths.length > 1) {
    info("Multiple search paths detected. Calculating the least common ancestor of all paths");
    const root = commonAncestor(searchPaths);
    info(`The least common ancestor is ${root}. This will be the root directory of the artifact`);
    return { files, root };
  }
  // One file that was named itself stands at the root of its artifact.
  return { files, root: files.length === 1 && files[0] === only ? dirname(only) : only };
}

function commonAncestor(paths: readonly string[]): string {
  const split = paths.map((path) => path.split(sep));
  const [first = []] = split;
  const differs = first.findIndex((part, index) => split.some((other) => other[index] !== part));
  return first.slice(0, differs === -1 ? undefined : differs).join(sep) || sep;
}
