/** Both cache protocols at the HTTP door, and what a job of one ref, run or machine may do to another's (ACTIONS-CONTRACT §5.3, §5.4). */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createBlobStore } from "./blob-store.ts";
import { listCaches, removeCaches } from "./kept-caches.ts";
import {
  DAY_MS,
  GIB,
  ask,
  asJob,
  askRaw,
  openDoor,
  putBlob,
  restoreCache,
  saveCache,
  someClaims,
  somePullRequest,
} from "./service-door.fixture.ts";
import type { Door, JobDoor, Reply } from "./service-door.fixture.ts";
import type { AttachedServices, ServedJob } from "./services.ts";

const VERSION = "27f8be18";

let door: Door;
let machine: AttachedServices;
let job: JobDoor;

beforeEach(async () => {
  door = openDoor();
  machine = await door.attach();
  job = asJob(machine, someClaims());
});

afterEach(() => door[Symbol.asyncDispose]());

/** A job in a machine of its own. */
async function inAnotherMachine(claims: ServedJob): Promise<JobDoor> {
  return asJob(await door.attach(), claims);
}

function blobsKept(): number {
  return readdirSync(join(door.stateDir, "blobs", "caches")).length;
}

describe("cache v2", () => {
  it("gives back what was saved, to a later run too", async () => {
    await saveCache(job, "npm-1", VERSION, "content");
    const later = await inAnotherMachine(someClaims({ runId: "101" }));
    expect(await restoreCache(later, "npm-1", VERSION)).toEqual({ key: "npm-1", content: "content" });
    expect(await restoreCache(later, "npm-2", VERSION, ["npm-2", "npm-"])).toEqual({
      key: "npm-1",
      content: "content",
    });
    expect(await restoreCache(later, "npm-1", "other-version")).toBeUndefined();
  });

  it("answers as the protocol has it", async () => {
    const created = await job.twirp("CreateCacheEntry", { key: "k", version: VERSION });
    expect(created).toEqual({ status: 200, json: { ok: true, signed_upload_url: expect.any(String) } });
    const url = String(created.json["signed_upload_url"]);
    expect(url.startsWith(`${job.origin}/blob/caches/`)).toBe(true);
    expect(new URL(url).searchParams.get("sig")).not.toBeNull();
    await putBlob(url, Buffer.from("abc"));
    // Go sends a number.
    const done = await job.twirp("FinalizeCacheEntryUpload", { key: "k", version: VERSION, sizeBytes: 3 });
    expect(done).toEqual({ status: 200, json: { ok: true, entry_id: "1" } });
    const found = await job.twirp("GetCacheEntryDownloadURL", { key: "k", version: VERSION, restoreKeys: ["k"] });
    expect(found.json).toEqual({ ok: true, matched_key: "k", signed_download_url: expect.any(String) });
    const missed = await job.twirp("GetCacheEntryDownloadURL", { key: "x", version: VERSION });
    expect(missed).toMatchObject({ status: 200 });
    expect(missed.json["ok"] ?? false).toBe(false);
  });

  it("never changes an entry: 409 while it is made and after", async () => {
    const first = await job.twirp("CreateCacheEntry", { key: "k", version: VERSION });
    const conflict = { status: 409, json: { code: "already_exists", msg: expect.stringContaining("already exists") } };
    const other = await inAnotherMachine(someClaims({ job: "test" }));
    expect(await other.twirp("CreateCacheEntry", { key: "k", version: VERSION })).toEqual(conflict);
    const url = String(first.json["signed_upload_url"]);
    await putBlob(url, Buffer.from("abc"));
    await job.twirp("FinalizeCacheEntryUpload", { key: "k", version: VERSION, size_bytes: "3" });
    expect(await other.twirp("CreateCacheEntry", { key: "k", version: VERSION })).toEqual(conflict);
    expect((await putBlob(url, Buffer.from("xyz"))).status).toBe(409);
    expect((await restoreCache(other, "k", VERSION))?.content).toBe("abc");
  });

  it("is given up with its job, and another may save it", async () => {
    const created = await job.twirp("CreateCacheEntry", { key: "k", version: VERSION });
    await putBlob(String(created.json["signed_upload_url"]), Buffer.from("abc"));
    job.services[Symbol.dispose]();
    const next = asJob(machine, someClaims({ job: "next" }));
    await saveCache(next, "k", VERSION, "next");
    expect((await restoreCache(next, "k", VERSION))?.content).toBe("next");
  });

  it("is finalized by the job that made it, when all of it was uploaded", async () => {
    const created = await job.twirp("CreateCacheEntry", { key: "k", version: VERSION });
    const finalize = (by: JobDoor, size_bytes: unknown) =>
      by.twirp("FinalizeCacheEntryUpload", { key: "k", version: VERSION, size_bytes });
    expect((await finalize(job, "3")).status).toBe(412);
    await putBlob(String(created.json["signed_upload_url"]), Buffer.from("abc"));
    for (const size of ["2", "4", "0"]) expect((await finalize(job, size)).status).toBe(412);
    for (const size of ["-1", "x", "1e3", {}, "9".repeat(20)]) {
      expect((await finalize(job, size)).status).toBeGreaterThanOrEqual(400);
    }
    const other = asJob(machine, someClaims({ job: "other" }));
    expect((await finalize(other, "3")).status).toBe(404);
    expect((await finalize(job, "3")).json["ok"]).toBe(true);
    expect((await finalize(job, "3")).status).toBe(404);
  });

  it("is a miss when it was lost on the disk, and may be saved again", async () => {
    await saveCache(job, "k", VERSION, "first");
    const [name = ""] = readdirSync(join(door.stateDir, "blobs", "caches"));
    const store = createBlobStore({ directory: join(door.stateDir, "blobs"), now: Date.now });
    await store.remove({ container: "caches", name });
    expect(await restoreCache(job, "k", VERSION)).toBeUndefined();
    await saveCache(job, "k", VERSION, "second");
    expect((await restoreCache(job, "k", VERSION))?.content).toBe("second");
  });

  it("refuses keys that clients refuse, and none that are only strange", async () => {
    for (const key of ["", "a,b", "a".repeat(513), "a\nb", "a\0b", "\u001b[2J"]) {
      expect((await job.twirp("CreateCacheEntry", { key, version: VERSION })).status).toBe(400);
      expect((await job.twirp("GetCacheEntryDownloadURL", { key, version: VERSION })).status).toBe(400);
    }
    for (const key of [
      "../../x",
      "/etc/passwd",
      "..",
      ".",
      "a b",
      "ключ",
      "%2e%2e%2f",
      "C:\\x",
      "'; DROP TABLE entry; --",
      "a".repeat(512),
    ]) {
      await saveCache(job, key, VERSION, key);
      expect(await restoreCache(job, key, VERSION)).toEqual({ key, content: key });
    }
    expect(readdirSync(door.stateDir).toSorted()).toEqual(["blobs", "caches.db", "caches.db-shm", "caches.db-wal"]);
    expect(readdirSync(join(door.stateDir, "blobs", "caches")).every((name) => /^[0-9a-f-]{36}$/.test(name))).toBe(
      true,
    );
  });
});

describe("a token", () => {
  it("is needed for every call", async () => {
    const [ended, other] = [asJob(machine, someClaims()), await inAnotherMachine(someClaims())];
    ended.services[Symbol.dispose]();
    const message = { key: "k", version: VERSION };
    for (const token of ["", "x", "a.b.c", ended.token, other.token]) {
      expect((await job.twirp("GetCacheEntryDownloadURL", message, token)).status).toBe(401);
      const v1 = `${job.origin}/_apis/artifactcache/cache?keys=k&version=v`;
      expect((await ask(v1, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);
    }
    expect((await job.twirp("GetCacheEntryDownloadURL", message)).status).toBe(200);
    door.clock.ms += 3600_000;
    expect((await job.twirp("GetCacheEntryDownloadURL", message)).status).toBe(401);
  });

  it("for an identity is none", async () => {
    const identified = asJob(machine, someClaims({ permissions: { "id-token": "write" } }));
    const token = identified.services.stepVariables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] ?? "";
    expect(token).not.toBe("");
    expect((await job.twirp("GetCacheEntryDownloadURL", { key: "k", version: VERSION }, token)).status).toBe(401);
  });
});

/** SECURITY-RELIABILITY A26. */
describe("caches of other refs", () => {
  it("of a pull request do not reach the default branch, nor another pull request", async () => {
    const pull = await inAnotherMachine(somePullRequest(7));
    await saveCache(pull, "k", VERSION, "poison");
    expect(await restoreCache(job, "k", VERSION)).toBeUndefined();
    expect(await restoreCache(await inAnotherMachine(somePullRequest(8)), "k", VERSION)).toBeUndefined();
    expect((await restoreCache(pull, "k", VERSION))?.content).toBe("poison");
  });

  it("of base and default branch are read by a pull request, its own first", async () => {
    await saveCache(job, "k", VERSION, "main");
    await saveCache(await inAnotherMachine(someClaims({ ref: "refs/heads/release" })), "k", VERSION, "release");
    const pull = await inAnotherMachine(somePullRequest(7, { baseRef: "release" }));
    expect((await restoreCache(pull, "k", VERSION))?.content).toBe("release");
    await saveCache(pull, "k", VERSION, "pull");
    expect((await restoreCache(pull, "k", VERSION))?.content).toBe("pull");
    const topic = await inAnotherMachine(someClaims({ ref: "refs/heads/topic" }));
    expect((await restoreCache(topic, "k", VERSION))?.content).toBe("main");
  });

  it("are not written by pull_request_target, whatever scope its request names", async () => {
    const target = await inAnotherMachine(someClaims({ event: "pull_request_target", baseRef: "main" }));
    const metadata = { repository_id: "1", scope: [{ scope: "refs/heads/main", permission: "3" }] };
    const { status, json } = await target.twirp("CreateCacheEntry", { metadata, key: "k", version: VERSION });
    expect(status).toBe(200);
    expect(json["ok"] ?? false).toBe(false);
    expect(json["message"]).toMatch(/^cache write denied: /);
    const v1 = await ask(`${target.origin}/_apis/artifactcache/caches`, {
      method: "POST",
      headers: { authorization: `Bearer ${target.token}` },
      body: JSON.stringify({ key: "k", version: VERSION }),
    });
    expect(v1.status).toBe(403);
    expect(JSON.parse(v1.text)["message"]).toMatch(/^cache write denied: /);
    await saveCache(job, "k", VERSION, "main");
    expect((await restoreCache(target, "k", VERSION))?.content).toBe("main");
  });

  it("of another repository are not there", async () => {
    await saveCache(job, "k", VERSION, "ours");
    const theirs = { owner: "mallory", name: "Widget", id: "9", ownerId: "8", defaultBranch: "main" };
    const other = await inAnotherMachine(someClaims({ repository: theirs }));
    expect(await restoreCache(other, "k", VERSION)).toBeUndefined();
    await saveCache(other, "k", VERSION, "theirs");
    expect((await restoreCache(job, "k", VERSION))?.content).toBe("ours");
  });

  it("stay when a stranger's pull request floods the host", async () => {
    await door[Symbol.asyncDispose]();
    door = openDoor({ repositoryBytes: 1000 });
    job = asJob(await door.attach(), someClaims());
    await saveCache(job, "k", VERSION, Buffer.alloc(900));
    const stranger = await inAnotherMachine(somePullRequest(666, { trusted: false }));
    for (let flood = 0; flood < 10; flood += 1) await saveCache(stranger, `flood-${flood}`, VERSION, Buffer.alloc(150));
    expect((await restoreCache(job, "k", VERSION))?.key).toBe("k");
    expect(blobsKept()).toBe(2);
  });
});

describe("what is kept", () => {
  it("is not what nobody asked for in a week", async () => {
    await saveCache(job, "old", VERSION, "x");
    await saveCache(job, "asked for", VERSION, "x");
    door.clock.ms += 5 * DAY_MS;
    const reader = await inAnotherMachine(someClaims());
    await restoreCache(reader, "asked for", VERSION);
    door.clock.ms += 4 * DAY_MS;
    const later = await inAnotherMachine(someClaims());
    expect(await restoreCache(later, "old", VERSION)).toBeUndefined();
    expect((await restoreCache(later, "asked for", VERSION))?.content).toBe("x");
    expect(blobsKept()).toBe(1);
  });

  it("fits its limit; an entry that never could is refused", async () => {
    await door[Symbol.asyncDispose]();
    door = openDoor({ repositoryBytes: 1000 });
    job = asJob(await door.attach(), someClaims());
    for (const key of ["a", "b", "c"]) {
      await saveCache(job, key, VERSION, Buffer.alloc(400));
      door.clock.ms += 1000;
    }
    expect(await restoreCache(job, "a", VERSION)).toBeUndefined();
    expect((await restoreCache(job, "b", VERSION))?.key).toBe("b");
    expect(blobsKept()).toBe(2);
    await expect(saveCache(job, "d", VERSION, Buffer.alloc(1001))).rejects.toThrow("1000 bytes");
  });

  it("is listed and removed by the person whose host it is", async () => {
    const options = {
      stateDir: door.stateDir,
      now: () => door.clock.ms,
      limits: { repositoryBytes: GIB, ageMs: DAY_MS },
    };
    expect(await listCaches({ ...options, stateDir: join(door.stateDir, "nothing") })).toEqual([]);
    await saveCache(job, "a", VERSION, "x");
    await saveCache(job, "b", VERSION, "yy");
    const listed = await listCaches(options);
    expect(listed).toMatchObject([
      { key: "b", repository: "acme/widget", scope: "refs/heads/main", sizeBytes: 2 },
      { key: "a" },
    ]);
    await removeCaches(options, [listed[0]?.id ?? 0]);
    expect((await listCaches(options)).map(({ key }) => key)).toEqual(["a"]);
    expect(blobsKept()).toBe(1);
    expect(await restoreCache(job, "b", VERSION)).toBeUndefined();
  });

  it("does not include blobs that a killed process left without an entry", async () => {
    await saveCache(job, "k", VERSION, "x");
    const blobs = createBlobStore({ directory: join(door.stateDir, "blobs"), now: () => door.clock.ms });
    const orphan = { container: "caches", name: "0b5f7a0e-1111-4222-8333-444455556666" } as const;
    await blobs.writeWhole(orphan, { sizeBytes: 0, stream: (async function* () {})() }, undefined);
    await blobs.seal(orphan);
    // Its age is that of its directory, so by the host's own clock.
    door.clock.ms = Date.now() + 2 * 3600_000;
    await restoreCache(await inAnotherMachine(someClaims()), "k", VERSION);
    expect(await blobs.open(orphan)).toBeUndefined();
    expect(blobsKept()).toBe(1);
  });
});

function v1(path: string, method: string, body?: Buffer | object, headers = {}): Promise<Reply> {
  return ask(`${job.origin}/_apis/artifactcache/${path}`, {
    method,
    headers: { authorization: `Bearer ${job.token}`, ...headers },
    ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
  });
}

async function reserve(key: string): Promise<number> {
  const reserved = await v1("caches", "POST", { key, version: VERSION, cacheSize: 10 });
  expect(reserved.status).toBe(201);
  return JSON.parse(reserved.text)["cacheId"];
}

function put(id: number, text: string, from: number): Promise<Reply> {
  return v1(`caches/${id}`, "PATCH", Buffer.from(text), {
    "content-range": `bytes ${from}-${from + text.length - 1}/*`,
  });
}

describe("cache v1", () => {
  it("takes chunks in any order and again, and both protocols find them", async () => {
    const id = await reserve("k");
    for (const [text, from] of [
      ["6789", 6],
      ["xx", 4],
      ["0123", 0],
      ["45", 4],
    ] as const) {
      expect((await put(id, text, from)).status).toBe(204);
    }
    expect((await v1(`caches/${id}`, "POST", { size: 10 })).status).toBe(204);
    const found = await v1(`cache?keys=${encodeURIComponent("nothing,k")}&version=${VERSION}`, "GET");
    expect(found.status).toBe(200);
    const { archiveLocation, ...entry } = JSON.parse(found.text);
    expect(entry).toEqual({
      cacheKey: "k",
      scope: "refs/heads/main",
      cacheVersion: VERSION,
      creationTime: "2026-11-22T10:00:00.000Z",
    });
    expect((await ask(archiveLocation)).text).toBe("0123456789");
    expect((await restoreCache(job, "k", VERSION))?.content).toBe("0123456789");
    expect(JSON.parse((await v1("caches?key=k", "GET")).text)).toMatchObject({
      totalCount: 1,
      artifactCaches: [entry],
    });
  });

  it("says 204 for a miss, 409 for what is there", async () => {
    expect((await v1(`cache?keys=k&version=${VERSION}`, "GET")).status).toBe(204);
    await reserve("k");
    const again = await v1("caches", "POST", { key: "k", version: VERSION });
    expect(again.status).toBe(409);
    expect(JSON.parse(again.text)["message"]).toContain("already exists");
  });

  it("refuses chunks that leave a hole, overlap, or make another size", async () => {
    for (const [index, chunks] of [
      [
        ["01", 0],
        ["45", 4],
      ],
      [
        ["012345", 0],
        ["45", 4],
      ],
      [["0123", 0]],
      [],
    ].entries()) {
      const id = await reserve(`k${index}`);
      for (const [text, from] of chunks) expect((await put(id, String(text), Number(from))).status).toBe(204);
      expect((await v1(`caches/${id}`, "POST", { size: 6 })).status).toBe(400);
      expect(await restoreCache(job, `k${index}`, VERSION)).toBeUndefined();
    }
  });

  it("refuses places and bodies that make no sense", async () => {
    const id = await reserve("k");
    for (const range of [
      "",
      "bytes 5-2/*",
      "bytes 0-/*",
      "bytes */*",
      "0-1/*",
      "bytes 0-99999999999999999/*",
      "bytes 0-5/*",
    ]) {
      const reply = await v1(`caches/${id}`, "PATCH", Buffer.from("ab"), { "content-range": range });
      expect({ range, status: reply.status }).toEqual({ range, status: 400 });
    }
    for (const body of [Buffer.from("{"), Buffer.from("null"), Buffer.from("7"), { key: 7 }, { version: VERSION }]) {
      expect((await v1("caches", "POST", body)).status).toBe(400);
    }
    for (const size of [-1, "x", null, 1e300]) expect((await v1(`caches/${id}`, "POST", { size })).status).toBe(400);
  });

  it("lets a job touch its own alone", async () => {
    const id = await reserve("k");
    await put(id, "ab", 0);
    const other = asJob(machine, someClaims({ job: "other" }));
    const headers = { authorization: `Bearer ${other.token}`, "content-range": "bytes 0-1/*" };
    const path = `${job.origin}/_apis/artifactcache/caches/${id}`;
    expect((await ask(path, { method: "PATCH", headers, body: "xx" })).status).toBe(404);
    expect((await ask(path, { method: "POST", headers, body: JSON.stringify({ size: 2 }) })).status).toBe(404);
    expect((await v1(`caches/${id}`, "POST", { size: 2 })).status).toBe(204);
    expect((await restoreCache(job, "k", VERSION))?.content).toBe("ab");
  });

  /** SECURITY-RELIABILITY A17: on a socket, because clients tidy paths up. */
  it.each([
    "caches/../../../../etc/passwd",
    "caches/%2e%2e%2f1",
    "caches/1/../2",
    "caches/0",
    "caches/-1",
    "caches/1e3",
    "caches/01",
    `caches/${"9".repeat(400)}`,
    "../../blob/caches/x",
    "caches/1%00",
    "",
  ])("knows no resource %s", async (path) => {
    for (const method of ["GET", "PATCH", "POST", "DELETE"]) {
      const head = `${method} /_apis/artifactcache/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${job.token}\r\n`;
      const reply = await askRaw(job.origin, `${head}Content-Length: 0\r\nConnection: close\r\n\r\n`);
      expect(reply).toMatch(/^HTTP\/1\.1 404 [^]*\{"message":/);
    }
  });
});

describe("the origin", () => {
  it("says who it was in every answer, in JSON also where there is nothing", async () => {
    const reply = await ask(`${job.origin}/nothing`);
    expect(reply).toMatchObject({ status: 404, text: '{"message":"Not Found"}' });
    expect(reply.headers["x-github-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("is one without a path, which is what clients need", async () => {
    for (const name of ["ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL", "ACTIONS_RUNTIME_URL"]) {
      expect(job.services.actionVariables[name]).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    }
    expect(job.services.actionVariables["ACTIONS_CACHE_SERVICE_V2"]).toBe("True");
  });

  it("gives the variables for an identity to jobs that may have one, with a query to add to", () => {
    expect(job.services.stepVariables).toEqual({});
    const identified = asJob(machine, someClaims({ permissions: { "id-token": "write" } })).services;
    expect(identified.stepVariables["ACTIONS_ID_TOKEN_REQUEST_URL"]).toContain("/idtoken?");
    expect(identified.secrets).toEqual([
      identified.actionVariables["ACTIONS_RUNTIME_TOKEN"],
      identified.stepVariables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
    ]);
  });

  it("leaves nothing unfinished behind, and takes a second disposal of a job", async () => {
    const created = await job.twirp("CreateCacheEntry", { key: "k", version: VERSION });
    await putBlob(String(created.json["signed_upload_url"]), Buffer.from("abc"));
    await machine[Symbol.asyncDispose]();
    job.services[Symbol.dispose]();
    expect(readdirSync(join(door.stateDir, "blobs", "uploads"))).toEqual([]);
    expect(await restoreCache(await inAnotherMachine(someClaims()), "k", VERSION)).toBeUndefined();
  });
});
