/**
 * Names of commits, branches, tags and paths as requests give them: checked before git hears of them, and resolved in the order
 * of GitHub's: a full id, a branch, a tag, what begins with `heads/`, `tags/` or `refs/`, the beginning of an id.
 * Refs that the run itself has made, moved or deleted through the API stand before those of the repository.
 */
import { ApiProblem, notFound } from "./api-message.ts";
import type { ApiRepository } from "./api-call.ts";

/** As git-check-ref-format(1) has it, so that nothing in a name can be an option, a range or a revision's suffix. */
export function isRefName(name: string): boolean {
  return (
    name.length <= 255 &&
    /^(?![-/.])[^\0-\x20\x7f~^:?*[\\]+$/.test(name) &&
    !/\.\.|@\{|\/\/|\/\.|\/$|\.$|\.lock(?:\/|$)/.test(name)
  );
}

export function isObjectId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** Throws 404 for a path that no tree can have. Without slashes at its ends; empty for the root. */
export function treePath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  const isBad = parts.some((part) => part === "." || part === ".." || /[\0\n]/.test(part));
  if (isBad || path.length > 4096) throw notFound();
  return parts.join("/");
}

/** Undefined when there is no such commit. */
export async function findCommit(repository: ApiRepository, revision: string): Promise<string | undefined> {
  return (await resolve(repository, revision, "commit"))?.id;
}

/** Throws GitHub's 422 of the commits API for what is no commit here. */
export async function commitOf(repository: ApiRepository, revision: string): Promise<string> {
  const found = await findCommit(repository, revision);
  if (found === undefined) throw new ApiProblem(422, `No commit found for SHA: ${revision}`);
  return found;
}

/** A tree's own id, or that of a commit's tree. Throws 404. */
export async function treeOf(repository: ApiRepository, revision: string): Promise<string> {
  const found = await resolve(repository, revision, "tree");
  if (found === undefined) throw notFound();
  return found.id;
}

export interface GitObject {
  readonly id: string;
  readonly type: string;
  readonly sizeBytes: number;
}

/** Objects by their full ids, in order; undefined for one that is not there. */
export async function findObjects(
  repository: ApiRepository,
  ids: readonly string[],
): Promise<readonly (GitObject | undefined)[]> {
  return batchCheck(repository, ids.filter(isObjectId));
}

/** What a ref is at: itself, not peeled. `ref` is full. */
export async function findRef(repository: ApiRepository, ref: string): Promise<GitObject | undefined> {
  if (!isRefName(ref) || !ref.startsWith("refs/")) return undefined;
  const own = repository.refs.get(ref);
  if (own === null) return undefined;
  const [found] = await batchCheck(repository, [own ?? ref]);
  return found;
}

async function resolve(repository: ApiRepository, revision: string, type: string): Promise<GitObject | undefined> {
  if (!isRefName(revision)) return undefined;
  if (isObjectId(revision)) return (await batchCheck(repository, [`${revision}^{${type}}`]))[0];
  const names = revision.startsWith("refs/")
    ? [revision]
    : [`refs/heads/${revision}`, `refs/tags/${revision}`, `refs/${revision}`];
  const asked = names.flatMap((name) => {
    const own = repository.refs.get(name);
    return own === null ? [] : [`${own ?? name}^{${type}}`];
  });
  if (revision === "HEAD") asked.push(`refs/heads/${repository.defaultBranch}^{${type}}`);
  if (/^[0-9a-f]{4,64}$/.test(revision)) asked.push(`${revision}^{${type}}`);
  return (await batchCheck(repository, asked)).find((found) => found !== undefined);
}

async function batchCheck(
  repository: ApiRepository,
  names: readonly string[],
): Promise<readonly (GitObject | undefined)[]> {
  if (names.length === 0) return [];
  const input = names.map((name) => `${name}\n`).join("");
  const lines = (await repository.git.read(["cat-file", "--batch-check"], { input })).toString().split("\n");
  return names.map((_name, index) => {
    const { id, type, size } =
      /^(?<id>[0-9a-f]{40,64}) (?<type>[a-z]+) (?<size>\d+)$/.exec(lines[index] ?? "")?.groups ?? {};
    return id === undefined || type === undefined ? undefined : { id, type, sizeBytes: Number(size) };
  });
}
