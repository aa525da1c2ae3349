/** The actions kept on this host (`action-cache.ts`): which there are, whether they are whole, and removing those of no more use. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { listRefs, updateRefs, USES, WHOLE } from "./action-cache.ts";
import { bareRepository } from "./file-at-commit.ts";
import type { GitPlace } from "./file-at-commit.ts";
import { git } from "./git.ts";

export interface KeptAction {
  readonly host: string;
  /** `owner/name`, in lower case. */
  readonly repository: string;
  readonly sha: string;
  /** Tags and branches that meant the commit when the server was last asked: `v4`. Empty: it was asked for by its id. */
  readonly names: readonly string[];
  readonly usedAt: Date;
  readonly place: GitPlace;
}

/** Sorted. `directory` as in `Remote`; it need not be there. */
export async function listKeptActions(directory: string): Promise<readonly KeptAction[]> {
  const kept: KeptAction[] = [];
  for (const [host, owner, entry] of await repositoriesBelow(directory)) {
    const place = bareRepository(join(directory, host, owner, entry));
    const refs = await listRefs(place, ["refs/tags", "refs/heads", WHOLE]);
    const shas = [...refs].flatMap(([name, sha]) => (name.startsWith(`${WHOLE}/`) ? [sha] : []));
    for (const sha of shas) {
      const names = [...refs]
        .filter(([name, id]) => id === sha && !name.startsWith(WHOLE))
        .map(([name]) => shortName(name));
      const repository = `${owner}/${entry.replace(/\.git$/u, "")}`;
      kept.push({ host, repository, sha, names, usedAt: await lastUse(place, sha), place });
    }
  }
  return kept;
}

/** Why git does not find the repository sound; undefined when it does. What was left out on purpose is no fault. */
export async function faultOfKept({ place }: KeptAction): Promise<string | undefined> {
  try {
    await git(["fsck", "--full", "--no-dangling", "--no-progress"], place);
    return undefined;
  } catch (error) {
    if (error instanceof EngineError) return error.message;
    throw error;
  }
}

/** Removes these, and the repositories in which nothing else is kept. */
export async function removeKeptActions(actions: readonly KeptAction[], signal: AbortSignal): Promise<void> {
  for (const [directory, inOne] of Map.groupBy(actions, ({ place }) => place.cwd)) {
    await using _ = await lockFile(join(directory, "hearth.lock"), () => undefined, signal);
    const place = bareRepository(directory);
    const gone = new Set(inOne.map(({ sha }) => sha));
    const refs = await listRefs(place, ["refs"]);
    const outdated = [...refs].filter(([, sha]) => gone.has(sha)).map(([name]) => name);
    if (outdated.length === refs.size) {
      await rm(directory, { recursive: true, force: true });
      continue;
    }
    await updateRefs(
      place,
      outdated.map((name) => `delete ${name}`),
    );
    for (const sha of gone) await rm(join(directory, USES, sha), { force: true });
    await git(["gc", "--quiet", "--prune=now"], place);
  }
}

async function repositoriesBelow(directory: string): Promise<readonly (readonly [string, string, string])[]> {
  const found: [string, string, string][] = [];
  for (const host of await entriesOf(directory)) {
    for (const owner of await entriesOf(join(directory, host))) {
      for (const entry of await entriesOf(join(directory, host, owner))) {
        if (entry.endsWith(".git")) found.push([host, owner, entry]);
      }
    }
  }
  return found;
}

async function entriesOf(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).toSorted();
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return [];
    throw error;
  }
}

async function lastUse(place: GitPlace, sha: string): Promise<Date> {
  try {
    return (await stat(join(place.cwd, USES, sha))).mtime;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    return new Date(0);
  }
}

function shortName(name: string): string {
  return name.replace(/^refs\/(?:tags|heads)\//u, "");
}
