import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CACHE_INDEX, openCacheStore } from "./cache-store.ts";
import type { CacheStore, NewEntry } from "./cache-store.ts";
import { DAY_MS } from "./service-door.fixture.ts";

const HOUR_MS = 3600_000;
const MAIN = "refs/heads/main";

let stateDir: string;
let clock: { ms: number };
let store: CacheStore;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "hearth-caches-"));
  clock = { ms: Date.parse("2026-11-22T10:00:00Z") };
  store = open();
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(stateDir, { recursive: true, force: true });
});

function open(): CacheStore {
  return openCacheStore({ stateDir, now: () => clock.ms, limits: { repositoryBytes: 100, ageMs: 7 * DAY_MS } });
}

function anEntry(key: string, given: Partial<NewEntry> = {}): NewEntry {
  return { repository: "o/r", scope: MAIN, key, version: "v", trusted: true, owner: "job", ...given };
}

/** A complete one; answers its id. */
function save(key: string, given: Partial<NewEntry> = {}, sizeBytes = 1): number {
  const reservation = store.reserve(anEntry(key, given));
  if (reservation === undefined) throw new Error(`${key} is there`);
  store.complete(reservation.id, sizeBytes);
  clock.ms += 1;
  return reservation.id;
}

function find(keys: readonly string[], scopes: readonly string[] = [MAIN], version = "v"): string | undefined {
  return store.find({ repository: "o/r", scopes, version, keys })?.key;
}

function keys(): readonly string[] {
  return store.list().map(({ key }) => key);
}

describe("finding", () => {
  it("prefers the key itself to newer ones that begin with it", () => {
    save("npm-1");
    save("npm-1-later");
    expect(find(["npm-1"])).toBe("npm-1");
  });

  it("takes the one that was created last of those that begin with a key", () => {
    save("npm-a");
    save("npm-c");
    save("npm-b");
    save("yarn");
    expect(find(["npm-"])).toBe("npm-b");
  });

  it("goes through the keys in their order, and not by age", () => {
    save("first-1");
    save("second-1");
    expect(find(["nothing", "first-", "second-"])).toBe("first-1");
  });

  it("looks for every key in a scope before the next scope", () => {
    save("npm-exact", { scope: MAIN });
    save("npm-old", { scope: "refs/pull/1/merge" });
    expect(find(["npm-exact", "npm-"], ["refs/pull/1/merge", MAIN])).toBe("npm-old");
    expect(find(["npm-exact", "npm-"], [MAIN])).toBe("npm-exact");
  });

  it("needs the same version, repository and scope", () => {
    save("k");
    expect(find(["k"], [MAIN], "w")).toBeUndefined();
    expect(find(["k"], ["refs/heads/topic"])).toBeUndefined();
    expect(store.find({ repository: "o/other", scopes: [MAIN], version: "v", keys: ["k"] })).toBeUndefined();
  });

  it("knows no wildcards, and tells cases apart", () => {
    save("a%_b*?[x]");
    expect(find(["a%_b*?[x]"])).toBe("a%_b*?[x]");
    for (const pattern of ["%", "_%", "*", "A%_", "a?", "[a]"]) expect(find([pattern])).toBeUndefined();
  });

  it("does not find what is only reserved", () => {
    store.reserve(anEntry("k"));
    expect(find(["k"])).toBeUndefined();
    expect(keys()).toEqual([]);
  });
});

describe("reserving", () => {
  it("is refused while there is an entry, or one is being made, and for no other scope or version", () => {
    expect(store.reserve(anEntry("k"))).toBeDefined();
    expect(store.reserve(anEntry("k", { owner: "other job" }))).toBeUndefined();
    expect(store.reserve(anEntry("k", { version: "w" }))).toBeDefined();
    expect(store.reserve(anEntry("k", { scope: "refs/heads/topic" }))).toBeDefined();
    expect(store.reserve(anEntry("k", { repository: "o/other" }))).toBeDefined();
    save("done");
    expect(store.reserve(anEntry("done"))).toBeUndefined();
  });

  it("ends with its owner", () => {
    const reservation = store.reserve(anEntry("k"));
    expect(store.reservations("job").map(({ id }) => id)).toEqual([reservation?.id]);
    expect(store.abandon("other job")).toEqual([]);
    expect(store.abandon("job")).toEqual([reservation?.blob]);
    expect(store.complete(reservation?.id ?? 0, 1)).toBeUndefined();
    expect(store.reserve(anEntry("k"))).toBeDefined();
  });

  it("ends after an hour when its owner was killed", () => {
    const reservation = store.reserve(anEntry("k"));
    clock.ms += HOUR_MS;
    expect(store.reserve(anEntry("k", { owner: "next" }))).toBeUndefined();
    clock.ms += 1;
    expect(store.reserve(anEntry("k", { owner: "next" }))?.blob).not.toBe(reservation?.blob);
    expect(store.complete(reservation?.id ?? 0, 1)).toBeUndefined();
  });

  it("is completed once", () => {
    const id = save("k");
    expect(store.complete(id, 2)).toBeUndefined();
    expect(store.list()).toMatchObject([{ id, sizeBytes: 1 }]);
  });

  it("succeeds for one of many processes", async () => {
    const module = join(import.meta.dirname, "cache-store.ts");
    const script = `
      const { openCacheStore } = await import(${JSON.stringify(module)});
      const store = openCacheStore({ stateDir: process.argv[1], now: Date.now, limits: { repositoryBytes: 100, ageMs: 1e9 } });
      const won = Array.from({ length: 50 }, (_, i) => store.reserve({ repository: "o/r", scope: "s", key: "k" + i, version: "v", trusted: true, owner: String(process.pid) }));
      console.log(won.filter(Boolean).length);`;
    const argv = ["--input-type=module", "-e", script, stateDir];
    const processes = Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, argv));
    const won = (await Promise.all(processes)).map(({ stdout }) => Number(stdout));
    expect(won.reduce((sum, count) => sum + count, 0)).toBe(50);
  }, 30_000);
});

describe("what is kept", () => {
  it("is what was used in the last week", () => {
    save("unused");
    const used = save("used");
    clock.ms += 6 * DAY_MS;
    store.touch(used);
    clock.ms += 2 * DAY_MS;
    expect(store.collect()).toHaveLength(1);
    expect(keys()).toEqual(["used"]);
  });

  it("is what was used last, as far as it fits", () => {
    const a = save("a", {}, 40);
    save("b", {}, 40);
    store.touch(a);
    const reservation = store.reserve(anEntry("c"));
    const evicted = store.complete(reservation?.id ?? 0, 30);
    expect(evicted).toHaveLength(1);
    expect(keys().toSorted()).toEqual(["a", "c"]);
    expect([...store.blobs()]).not.toContain(evicted?.[0]);
  });

  it("is counted for each repository by itself", () => {
    save("a", { repository: "o/one" }, 90);
    save("a", { repository: "o/two" }, 90);
    expect(keys()).toHaveLength(2);
  });

  it("is never pushed out by what strangers save", () => {
    save("main", {}, 60);
    save("topic", { scope: "refs/heads/topic" }, 30);
    const scope = "refs/pull/666/merge";
    for (let flood = 0; flood < 30; flood += 1) save(`flood-${flood}`, { scope, trusted: false, owner: "evil" }, 9);
    expect(keys().filter((key) => !key.startsWith("flood"))).toEqual(["topic", "main"]);
    expect(keys().filter((key) => key.startsWith("flood"))).toEqual(["flood-29", "flood-28"]);
  });

  it("is at most ten thousand entries", () => {
    save("oldest");
    using database = new DatabaseSync(join(stateDir, CACHE_INDEX));
    database.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
      INSERT INTO entry (repository, scope, key, version, blob, trusted, owner, size_bytes, created_at_ms, used_at_ms)
      SELECT 'o/r', 's', 'k' || i, 'v', 'b' || i, 1, 'job', 0, ${clock.ms}, ${clock.ms} FROM n`);
    expect(keys()).toHaveLength(10_000);
    save("newest", {}, 0);
    expect(keys()).toHaveLength(10_000);
    expect(keys()).toContain("newest");
    expect(keys()).not.toContain("oldest");
  });

  it("is not for other users of the host to read", () => {
    save("k");
    for (const suffix of ["", "-wal", "-shm"])
      expect(statSync(join(stateDir, `${CACHE_INDEX}${suffix}`)).mode & 0o777).toBe(0o600);
  });
});
