/**
 * Whether the server can do its work: looked at now and then, answered at once. A server that is degraded still answers, takes what
 * it can, and says what is wrong; it recovers by itself when that is gone (F13, F14).
 */
import { statfs } from "node:fs/promises";
import { EngineError } from "../lib/engine-error.ts";
import type { ServerStore } from "./server-store.ts";

export interface Health {
  /** Empty: all is well. Each is a word and a sentence. */
  reasons(): readonly { readonly reason: string; readonly detail: string }[];
  /** Looks now. */
  look(): Promise<void>;
  stop(): void;
}

export interface HealthParts {
  readonly store: ServerStore;
  readonly stateDir: string;
  /** What else is wrong: of other parts of the server. */
  readonly others: () => readonly { readonly reason: string; readonly detail: string }[];
  readonly freeBytes?: (directory: string) => Promise<number>;
}

const EVERY_MS = 10_000;
/** Below this new runs would only fail. */
const LEAST_FREE_BYTES = 256 * 1024 * 1024;

export function watchHealth({ store, stateDir, others, freeBytes = freeBytesOf }: HealthParts): Health {
  let found: readonly { readonly reason: string; readonly detail: string }[] = [];
  let looks = 0;

  async function look(): Promise<void> {
    const reasons: { readonly reason: string; readonly detail: string }[] = [];
    try {
      store.notes.set("health", String((looks += 1)));
    } catch (error) {
      const detail = error instanceof EngineError ? error.message : String(error);
      const reason = /disk is full/u.test(detail) ? "disk_full" : "database_not_writable";
      reasons.push({ reason, detail });
    }
    const free = await freeBytes(stateDir).catch(() => undefined);
    if (free !== undefined && free < LEAST_FREE_BYTES) {
      reasons.push({ reason: "disk_low", detail: `${Math.floor(free / 1024 / 1024)} MiB are free in ${stateDir}` });
    }
    found = reasons;
  }

  const timer = setInterval(() => void look(), EVERY_MS);
  return { reasons: () => [...found, ...others()], look, stop: () => clearInterval(timer) };
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
