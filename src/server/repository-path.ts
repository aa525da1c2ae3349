/** Repositories of this host that the operator serves by REPOSITORY_PATH: one, or a directory of them, bare or not. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { bareRepository } from "../git/file-at-commit.ts";
import { git, splitNul } from "../git/git.ts";
import { localName, parseRemoteUrl } from "../git/remote-url.ts";
import type { RepositoryName } from "../git/remote-url.ts";

export interface LocalRepository extends RepositoryName {
  /** Absolute; the `.git` of one that is not bare. */
  readonly gitDir: string;
}

/** Those at the path, below it, and one level deeper (`owner/name.git`); of two with the same name the first. */
export async function findLocalRepositories(path: string): Promise<readonly LocalRepository[]> {
  const found: LocalRepository[] = [];
  for (const directory of placesAt(path)) {
    const gitDir = [join(directory, ".git"), directory].find(isGitDirectory);
    if (gitDir !== undefined) found.push({ gitDir, ...(await nameOf(gitDir, directory, path)) });
  }
  return found;
}

function placesAt(path: string): readonly string[] {
  if (isRepository(path)) return [path];
  const below = directoriesIn(path);
  return below.flatMap((directory) => (isRepository(directory) ? [directory] : directoriesIn(directory)));
}

async function nameOf(gitDir: string, directory: string, top: string): Promise<RepositoryName> {
  const config = await git(["config", "-z", "--get", "remote.origin.url"], { ...bareRepository(gitDir), answers: [1] });
  const [url] = splitNul(config);
  const named = url === undefined ? undefined : parseRemoteUrl(url);
  if (named !== undefined) return named;
  const { owner, name } = localName(basename(directory).replace(/\.git$/u, ""));
  const isDeeper = dirname(directory) !== top && directory !== top;
  return { owner: isDeeper ? localName(basename(dirname(directory))).name : owner, name };
}

function isRepository(directory: string): boolean {
  return isGitDirectory(directory) || isGitDirectory(join(directory, ".git"));
}

function isGitDirectory(directory: string): boolean {
  return ["HEAD", "objects", "refs"].every((name) => existsSync(join(directory, name)));
}

function directoriesIn(path: string): readonly string[] {
  return readdirSync(path)
    .toSorted()
    .map((name) => join(path, name))
    .filter((entry) => statSync(entry, { throwIfNoEntry: false })?.isDirectory() === true);
}
