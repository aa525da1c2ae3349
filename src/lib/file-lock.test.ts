import { once } from "node:events";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockFile } from "./file-lock.ts";

let directory = "";
let path = "";
const { signal } = new AbortController();
const ignore = () => undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-test-lock-"));
  path = join(directory, "lock");
});
afterEach(async () => rm(directory, { recursive: true }));

describe("lockFile", () => {
  it("lets the second wait until the first is done, and says so", async () => {
    const first = await lockFile(path, ignore, signal);
    const order: string[] = [];
    const { promise: waiting, resolve: onWait } = Promise.withResolvers<void>();
    const second = lockFile(path, onWait, signal).then((lock) => {
      order.push("second");
      return lock;
    });
    await waiting;
    order.push("first done");
    await first[Symbol.asyncDispose]();
    await (await second)[Symbol.asyncDispose]();
    expect(order).toEqual(["first done", "second"]);
  });

  it("stops waiting on abort and leaves the lock to its holder", async () => {
    const first = await lockFile(path, ignore, signal);
    const controller = new AbortController();
    const reason = new Error("stop");
    await expect(lockFile(path, () => controller.abort(reason), controller.signal)).rejects.toBe(reason);
    await first[Symbol.asyncDispose]();
    await (await lockFile(path, ignore, signal))[Symbol.asyncDispose]();
  });

  it("is free again when its holder was killed", async () => {
    const module = join(import.meta.dirname, "file-lock.ts");
    const script = `
      const { lockFile } = await import(${JSON.stringify(module)});
      await lockFile(${JSON.stringify(path)}, () => undefined, new AbortController().signal);
      process.stdout.write("locked");
      setInterval(() => undefined, 1000);`;
    const holder = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    holder.kill("SIGKILL");
    const next = await lockFile(path, ignore, signal);
    expect(next).toBeDefined();
    await next[Symbol.asyncDispose]();
  });

  it("fails where the file cannot be made", async () => {
    await expect(lockFile(join(directory, "no/such/lock"), ignore, signal)).rejects.toThrow("Cannot lock");
  });
});
