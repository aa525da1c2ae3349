/** What the lock file holds: each reference to another repository, and what it meant when somebody looked. Pure, and light to load. */
import { createHash } from "node:crypto";
import { repositoryKey } from "../action/reference.ts";

import type { Translation } from "../translate/translation.ts";

export const LOCK_FILE = ".hearth/lock.yml";

export interface LockEntry {
  readonly commit: string;
  /** Paths in the repository, of manifests and called workflows, to `sha256:` and 64 digits. */
  readonly files: { readonly [path: string]: string };
}

/** `uses` by `owner/name@ref`. */
export interface Lock {
  readonly uses: { readonly [reference: string]: LockEntry };
  /** Steps that stand for actions, as somebody reviewed them. */
  readonly translations?: readonly Translation[];
}

/** By the same key that tells whether two references mean the same commit. */
export function lockEntryOf(lock: Lock, reference: Parameters<typeof repositoryKey>[0]): LockEntry | undefined {
  const wanted = repositoryKey(reference);
  return Object.entries(lock.uses).find(([written]) => keyOf(written) === wanted)?.[1];
}

export function hashOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function keyOf(written: string): string {
  const at = written.indexOf("@");
  return at === -1 ? written.toLowerCase() : written.slice(0, at).toLowerCase() + written.slice(at);
}
