/** Which bare repository a name means: the run's own, else a mirror that the operator keeps. */
import { stat } from "node:fs/promises";
import { join } from "node:path";

/** Asked only with names that `git-endpoint.ts` has found valid. */
export type RepositoryLookup = (owner: string, name: string) => Promise<string | undefined> | string | undefined;

export interface OwnRepository {
  readonly owner: string;
  readonly name: string;
  readonly gitDir: string;
}

/** `own` is undefined where nothing checks the run's repository out. Mirrors are `<mirrors>/<owner>/<name>.git`. The run's own repository goes by any case of its name, as on GitHub. */
export function createLookup(own: OwnRepository | undefined, mirrors: string | undefined): RepositoryLookup {
  return async (owner, name) => {
    if (own !== undefined && isSameName(owner, own.owner) && isSameName(name, own.name)) return own.gitDir;
    if (mirrors === undefined) return undefined;
    const gitDir = join(mirrors, owner, `${name}.git`);
    return (await isDirectory(gitDir)) ? gitDir : undefined;
  };
}

function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return false;
    throw error;
  }
}
