import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { leftovers } from "./leftovers.ts";
import { startSandbox } from "./sandbox-process.ts";

let runDir = "";
let directory = "";
beforeEach(async () => {
  runDir = await mkdtemp(join(tmpdir(), "hearth-test-sandbox-"));
  directory = join(runDir, "m1");
});
afterEach(async () => rm(runDir, { recursive: true }));

/** Stands for setpriv, unshare and runsc: a parent that waits for its child and has the machine's directory in its arguments. */
const parentAndChild = () => ["sh", "-c", 'sh -c "echo up; exec sleep 1000" "$0"; exit 9', directory];

describe("startSandbox", () => {
  it("ends the child, the parent after it, and resolves when both are gone", async () => {
    const sandbox = startSandbox(parentAndChild(), directory);
    await expect.poll(() => sandbox.console()).toBe("up\n");
    expect((await leftovers(runDir)).join("\n")).toContain(directory);
    await Promise.all([sandbox[Symbol.asyncDispose](), sandbox[Symbol.asyncDispose]()]);
    expect(await leftovers(runDir)).toEqual([]);
    expect(await sandbox.ended).toEqual({ kind: "exited", code: 9 });
  });

  it("that is watched ends as a whole when one of its processes has ended, and not before", async () => {
    const part = "sleep 1000 >/dev/null 2>&1 &";
    const parts = `sh -c "${part} ${part} echo up; wait" "$0"; exit 9`;
    await using sandbox = startSandbox(["sh", "-c", parts, directory], directory);
    await expect.poll(() => sandbox.console()).toBe("up\n");
    await sandbox.watchParts();
    const first = await sandbox.firstPid();
    const children = (await readFile(`/proc/${first}/task/${first}/children`, "utf8")).trim().split(" ").map(Number);
    expect(children).toHaveLength(2);
    expect(await Promise.race([sandbox.ended, delay(600, "still there")])).toBe("still there");
    const [one = 0, other = 0] = children;
    process.kill(one, "SIGKILL");
    expect(await sandbox.ended).toEqual({ kind: "exited", code: 9 });
    // In a sandbox the kernel does it.
    process.kill(other, "SIGKILL");
  });

  it("says how a sandbox ended by itself, and keeps the end of what it printed", async () => {
    await using sandbox = startSandbox(["sh", "-c", "yes line | head -n 10000 >&2; echo last >&2; exit 3"], directory);
    expect(await sandbox.ended).toEqual({ kind: "exited", code: 3 });
    expect(sandbox.console()).toHaveLength(4096);
    expect(sandbox.console()).toMatch(/last\n$/);
  });

  it("says so when the program is not there, and disposal is safe", async () => {
    await using sandbox = startSandbox(["hearth-no-such-program"], directory);
    expect(await sandbox.ended).toMatchObject({ kind: "not_started", message: /ENOENT/ });
  });
});
