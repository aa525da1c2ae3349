/**
 * What a step's `uses:` names. The rules are those of GitHub's runner (`ActionManager`, `PipelineTemplateConverter`): exactly one
 * `@` for other repositories, empty parts of a path count for nothing, both slashes divide. Pure.
 * Source: ACTIONS-CONTRACT §4.1.
 */
import { posix } from "node:path";
import type { RemoteAction } from "../plan/plan.ts";
import { faultOfRef, isRepositoryName } from "../workflow/repository-reference.ts";

/** Names have no case on GitHub; refs do. */
export interface RemoteReference {
  readonly owner: string;
  readonly name: string;
  /** Directory of the action, without slashes at the ends; empty for the repository's root. */
  readonly path: string;
  readonly ref: string;
}

export type ActionReference =
  | ({ readonly kind: "remote" } & RemoteReference)
  /** In the workspace, whoever says it; `.` for its root. */
  | { readonly kind: "local"; readonly path: string }
  /** In the repository of the file that says it, at the same commit. */
  | { readonly kind: "own"; readonly path: string }
  | { readonly kind: "docker"; readonly image: string }
  | { readonly kind: "outside" }
  | { readonly kind: "invalid"; readonly reason: string };

export function parseActionReference(uses: string): ActionReference {
  const docker = /^docker:\/\/(.*)$/isu.exec(uses);
  if (docker !== null) return { kind: "docker", image: docker[1] ?? "" };
  if (/^\.[/\\]/u.test(uses)) return localReference(uses);
  if (uses.startsWith("$/")) {
    const path = pathOf(uses.slice(2).split("/"));
    return path === undefined ? { kind: "outside" } : { kind: "own", path };
  }
  return remoteReference(uses);
}

/** The same for two references exactly when they mean the same commit. */
export function repositoryKey({ owner, name, ref }: Pick<RemoteReference, "owner" | "name" | "ref">): string {
  return `${owner}/${name}`.toLowerCase() + `@${ref}`;
}

/** The same for two references exactly when they mean the same directory of the same commit. */
export function referenceKey(reference: RemoteReference): string {
  return `${repositoryKey(reference)} ${reference.path}`;
}

/** What led to an action that was found. */
export function referenceOf({ repository, path, ref }: RemoteAction): RemoteReference {
  const [owner = "", name = ""] = repository.split("/");
  return { owner, name, path, ref };
}

/** As a person would write it: `owner/name/path@ref`. */
export function referenceText({ owner, name, path, ref }: RemoteReference): string {
  return `${[owner, name, ...(path === "" ? [] : [path])].join("/")}@${ref}`;
}

export function repositoryText({ owner, name }: Pick<RemoteReference, "owner" | "name">): string {
  return `${owner}/${name}`;
}

function localReference(uses: string): ActionReference {
  const path = posix.normalize(uses.replaceAll("\\", "/")).replace(/\/$/u, "");
  return path === ".." || path.startsWith("../") ? { kind: "outside" } : { kind: "local", path };
}

const FORMS = "owner/repo@ref, owner/repo/path@ref, ./path or docker://image";

function remoteReference(uses: string): ActionReference {
  const [before = "", ref = "", ...more] = uses.split("@");
  const [owner = "", name = "", ...directories] = before.split(/[/\\]/u).filter((part) => part !== "");
  if (ref === "" || more.length > 0 || name === "") return invalid(`write it in one of the forms ${FORMS}`);
  if (!isRepositoryName(owner, name)) return invalid("no repository can be called so");
  const path = pathOf(directories);
  if (path === undefined) return invalid("its path leads out of the repository, or cannot be one");
  const fault = faultOfRef(ref);
  return fault === undefined ? { kind: "remote", owner, name, path, ref } : invalid(fault);
}

function invalid(reason: string): ActionReference {
  return { kind: "invalid", reason };
}

const MAX_PATH = 1_000;

/** Undefined for what is no directory below the root. The name ends on lines that git reads, so it has no control characters. */
function pathOf(parts: readonly string[]): string | undefined {
  const names = parts.filter((part) => part !== "" && part !== ".");
  const path = names.join("/");
  const isSafe = !names.includes("..") && path.length <= MAX_PATH && !/\p{Cc}/u.test(path);
  return isSafe ? path : undefined;
}
