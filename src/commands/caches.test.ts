import { describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";
import { at } from "./fake-hearth.ts";
import type { CacheSummary } from "./hearth.ts";

const caches: readonly CacheSummary[] = [
  { id: 7, key: "npm-abc", scope: "refs/heads/main", sizeBytes: 3 << 20 },
  { id: 9, key: "npm-abc", scope: "refs/pull/1/merge", sizeBytes: 100 },
  { id: 12, key: "evil\u001b[2J", scope: "refs/heads/main", sizeBytes: 5 << 20 },
].map((entry) => ({ repository: "o/r", version: "v", createdAt: at, usedAt: at, ...entry }));

describe("hearth caches", () => {
  it("lists them, and shows a key that a job made up without its control characters", async () => {
    const { code, stdout } = await run(["caches", "list"], { caches });
    expect(code).toBe(0);
    expect(stdout.split("\n").slice(0, 3)).toEqual([
      "ID  REPOSITORY  REF                SIZE    USED              KEY",
      "7   o/r         refs/heads/main    3 MiB   2026-11-22 10:00  npm-abc",
      "9   o/r         refs/pull/1/merge  <1 MiB  2026-11-22 10:00  npm-abc",
    ]);
    expect(stdout).not.toContain("\u001b");
  });

  it("prints them as one JSON document", async () => {
    const { stdout } = await run(["caches", "list", "--json"], { caches });
    expect(JSON.parse(stdout)).toEqual(caches);
  });

  it("says what makes one where there is none", async () => {
    expect(await run(["caches", "list"])).toMatchObject({ code: 0, stdout: "" });
    expect((await run(["caches", "list"])).stderr).toContain("actions/cache");
  });

  it("removes by id and by key, which may belong to several", async () => {
    const byKey = await run(["caches", "rm", "npm-abc"], { caches });
    expect(byKey).toMatchObject({ code: 0, stderr: "removed 2 caches, 3 MiB\n" });
    expect(byKey.hearth.calls).toEqual(["remove caches 7 9"]);
    const byId = await run(["caches", "rm", "9", "npm-abc"], { caches });
    expect(byId.hearth.calls).toEqual(["remove caches 9 7"]);
  });

  it("removes none when one of the names is wrong", async () => {
    const { code, stderr, hearth } = await run(["caches", "rm", "7", "npm"], { caches });
    expect({ code, calls: hearth.calls }).toEqual({ code: 2, calls: [] });
    expect(stderr).toContain("npm: hearth caches list");
  });
});
