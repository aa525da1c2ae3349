/** Reads owner and name of a repository from the address of a remote. */
import { isRepositoryName } from "../workflow/repository-reference.ts";

export interface RepositoryName {
  readonly owner: string;
  readonly name: string;
}

/**
 * `https://host/o/r.git`, `ssh://git@host:22/o/r`, `git@host:o/r.git` give `o` and `r`, whatever the host. A path, another
 * scheme, or more or fewer than two parts give undefined.
 */
export function parseRemoteUrl(url: string): RepositoryName | undefined {
  const path = HIERARCHICAL.exec(url)?.groups?.["path"] ?? SCP_LIKE.exec(url)?.groups?.["path"];
  const [owner, name, ...rest] = (path ?? "")
    .replace(/\/+$/, "")
    .replace(/\.git$/, "")
    .split("/");
  if (owner === undefined || name === undefined || rest.length > 0) return undefined;
  return isRepositoryName(owner, name) ? { owner, name } : undefined;
}

/** The name for a repository without a remote: its directory's, with what cannot stand in a name made a dash. */
export function localName(directory: string): RepositoryName {
  const name = directory.replaceAll(/[^\w.-]/g, "-").replace(/^[-.]+/, "");
  return { owner: "local", name: name.slice(0, 100) || "repository" };
}

const HIERARCHICAL = /^(?:https?|ssh|git):\/\/(?:[^/@]*@)?[^/@]+\/(?<path>.+)$/;
/** No slash before the colon: git takes anything else for a local path. */
const SCP_LIKE = /^(?:[^/:@]+@)?[^/:@]+:(?<path>[^/].*)$/;
