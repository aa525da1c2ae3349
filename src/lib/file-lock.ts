/**
 * One holder at a time among the processes of this host. The kernel keeps the lock (flock(2) through util-linux's `flock`), so
 * it ends with its holder, however that ends, and no stale lock is ever found.
 */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { untilAborted } from "./deadline.ts";

const SAY_WAITING_AFTER_MS = 250;

/** Resolves when the lock is held; disposing releases it. `onWait` is called once when another process holds it. */
export async function lockFile(path: string, onWait: () => void, signal: AbortSignal): Promise<AsyncDisposable> {
  signal.throwIfAborted();
  // `cat` lives as long as our end of its input is open; its echo says that the lock was granted.
  const holder = spawn("flock", ["--no-fork", path, "cat"], { detached: true, stdio: ["pipe", "pipe", "ignore"] });
  const closed = new Promise<void>((resolve) => {
    holder.once("close", () => resolve());
    holder.once("error", () => resolve());
  });
  const release = async () => {
    // `cat` has taken the place of flock (--no-fork), or flock is still waiting for its turn.
    holder.kill("SIGKILL");
    await closed;
  };
  holder.stdin.on("error", () => undefined);
  const timer = setTimeout(onWait, SAY_WAITING_AFTER_MS);
  try {
    holder.stdin.write("x");
    await untilAborted(granted(holder, path), signal);
  } catch (error) {
    await release();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { [Symbol.asyncDispose]: release };
}

async function granted(holder: ChildProcessByStdio<Writable, Readable, null>, path: string): Promise<void> {
  const failed = once(holder, "close").then(([code]) => {
    throw new Error(`Cannot lock ${path}: flock ended with ${String(code)}`);
  });
  await Promise.race([once(holder.stdout, "data"), failed]);
  // It ends when the work is done, and nobody waits for this any more.
  failed.catch(() => undefined);
}
