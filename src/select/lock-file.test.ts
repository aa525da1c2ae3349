import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestDirectory } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { lockEntryOf } from "./lock.ts";
import type { Lock } from "./lock.ts";
import { formatLock, parseLock, readLock, writeLock } from "./lock-file.ts";

const COMMIT = "a".repeat(40);
const HASH = `sha256:${"b".repeat(64)}`;

let directory: TestDirectory;

beforeEach(() => {
  directory = createTestDirectory();
});

afterEach(() => directory[Symbol.dispose]());

describe("the lock file", () => {
  it("is the same text for the same references in whatever order, and reads back as it was", () => {
    const first: Lock = {
      uses: {
        "octo/b@v1": { commit: COMMIT, files: { "z/action.yml": HASH, "action.yml": HASH } },
        "octo/a@v1": { commit: COMMIT, files: {} },
      },
    };
    const second: Lock = {
      uses: {
        "octo/a@v1": { commit: COMMIT, files: {} },
        "octo/b@v1": { commit: COMMIT, files: { "action.yml": HASH, "z/action.yml": HASH } },
      },
    };
    expect(formatLock(first)).toBe(formatLock(second));
    expect(parseLock(formatLock(first))).toEqual(first);
    expect(formatLock(first).split("\n").slice(1, 4)).toEqual(["version: 1", "uses:", "  octo/a@v1:"]);
    expect(parseLock(formatLock({ uses: {} }))).toEqual({ uses: {} });
  });

  it("holds translations as text that people can read, sorted, and reads them back", () => {
    const manifest = "name: n\nruns:\n  using: composite\n  steps:\n    - { shell: bash, run: 'echo: \"x\"' }\n";
    const rule = { sha: undefined, manifestHash: undefined, stepHash: undefined, manifest };
    const translations: NonNullable<Lock["translations"]> = [
      { ...rule, action: "octo/b@v1", by: { kind: "rule", rule: "octo/b" } },
      {
        action: "octo/a@v1",
        by: { kind: "model", model: "m:7b", prompt: "3" },
        sha: COMMIT,
        manifestHash: HASH,
        stepHash: HASH,
        manifest,
      },
    ];
    const text = formatLock({ uses: {}, translations });
    expect(text).toBe(formatLock({ uses: {}, translations: translations.toReversed() }));
    expect(text).toContain("    translation: |\n      name: n\n      runs:\n");
    expect(parseLock(text)).toEqual({ uses: {}, translations: translations.toReversed() });
  });

  it.each([
    ["a translation by nobody", "translations: [{ action: o/r@v1, by: {}, translation: x }]", "translations > 0 > by"],
    ["one without a text", "translations: [{ action: o/r@v1, by: { rule: o/r } }]", "translations > 0 > translation"],
    ["a hash that is none", "translations: [{ action: o/r@v1, by: { rule: o/r }, step: x, translation: x }]", "sha256"],
  ])("is refused for %s", (_what, yaml, message) => {
    expect(() => parseLock(`version: 1\nuses: {}\n${yaml}\n`)).toThrow(message);
  });

  it("reads back a commit that looks like a number", () => {
    for (const commit of ["1".repeat(40), `1e${"2".repeat(38)}`, `0o${"1".repeat(38)}`]) {
      expect(formatLock({ uses: { "octo/a@v1": { commit, files: {} } } })).toContain(`commit: "${commit}"`);
    }
  });

  it("is asked by repository in any case, and by the exact ref", () => {
    const lock: Lock = { uses: { "Octo/Thing@V1": { commit: COMMIT, files: {} } } };
    expect(lockEntryOf(lock, { owner: "octo", name: "thing", ref: "V1" })?.commit).toBe(COMMIT);
    expect(lockEntryOf(lock, { owner: "octo", name: "thing", ref: "v1" })).toBeUndefined();
  });

  it("is written whole, again and again, and nothing else is left beside it", async () => {
    expect(readLock(directory.path)).toBeUndefined();
    for (const name of ["octo/a@v1", "octo/b@v1"]) {
      await writeLock(directory.path, { uses: { [name]: { commit: COMMIT, files: {} } } });
      expect(Object.keys(readLock(directory.path)?.uses ?? {})).toEqual([name]);
    }
    expect(readdirSync(join(directory.path, ".hearth"))).toEqual(["lock.yml"]);
  });

  it("is not written through a link of the repository's", async () => {
    const elsewhere = join(directory.path, "elsewhere");
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(directory.path, ".hearth"));
    await expect(writeLock(directory.path, { uses: {} })).rejects.toMatchObject({ code: "BAD_CONFIG" });
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  it.each([
    ["", "empty"],
    ["version: 2", "expected version 1"],
    ["uses: {}", "version"],
    ["version: 1\nmore: x", "more"],
    ["version: 1\nuses: { a/b@v1: { commit: abc, files: {} } }", "uses > a/b@v1 > commit: expected 40 digits"],
    [`version: 1\nuses: { a/b@v1: { commit: ${COMMIT}, files: { x: md5 } } }`, "expected sha256:"],
    ["version: 1\nuses: [", ".hearth/lock.yml:"],
    ["<<<<<<< HEAD\nversion: 1\n=======\n", ".hearth/lock.yml:"],
  ])("is refused as %j, with what is wrong", (text, reason) => {
    expect(() => parseLock(text)).toThrow(reason);
  });

  it("that is no file, leads nowhere or is too large is refused, never passed over", () => {
    const path = join(directory.path, ".hearth/lock.yml");
    mkdirSync(join(directory.path, ".hearth"));
    symlinkSync(join(directory.path, "absent"), path);
    expect(() => readLock(directory.path)).toThrow("Cannot use");
    const other = join(directory.path, "other");
    mkdirSync(join(other, ".hearth/lock.yml"), { recursive: true });
    expect(() => readLock(other)).toThrow("Cannot use");
    const large = join(directory.path, "large");
    mkdirSync(join(large, ".hearth"), { recursive: true });
    writeFileSync(join(large, ".hearth/lock.yml"), "#".repeat(5 << 20));
    expect(() => readLock(large)).toThrow("larger than");
  });
});
