import { statSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cacheKey, createAnswerCache, createMemoryPlace } from "../../src/translate/model/answer-cache.ts";
import { createSqlitePlace } from "../../src/translate/model/sqlite-place.ts";
import { aRequest, asking, NEVER } from "./asking.ts";
import { startFakeModel } from "./fake-model-server.ts";

interface FakeRedis extends AsyncDisposable {
  readonly url: string;
  readonly kept: Map<string, string>;
}

/** As much of Redis as its client needs to get and set. `silent`: it takes connections and says nothing. */
async function startFakeRedis(silent = false): Promise<FakeRedis> {
  const kept = new Map<string, string>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (silent) return;
      for (;;) {
        const read = readCommand(text);
        if (read === undefined) return;
        text = text.slice(read.length);
        socket.write(reply(read.words), "latin1");
      }
    });
  });
  function reply([verb = "", key = "", value = ""]: readonly string[]): string {
    if (verb === "GET") return kept.has(key) ? `$${kept.get(key)?.length}\r\n${kept.get(key)}\r\n` : "$-1\r\n";
    if (verb === "SET") kept.set(key, value);
    return "+OK\r\n";
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: `redis://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    kept,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function readCommand(text: string): { readonly words: readonly string[]; readonly length: number } | undefined {
  const head = /^\*(\d+)\r\n/u.exec(text);
  if (head === null) return undefined;
  let at = head[0].length;
  const words: string[] = [];
  for (let word = 0; word < Number(head[1]); word += 1) {
    const size = /^\$(\d+)\r\n/u.exec(text.slice(at));
    if (size === null) return undefined;
    at += size[0].length;
    if (text.length < at + Number(size[1]) + 2) return undefined;
    words.push(text.slice(at, at + Number(size[1])));
    at += Number(size[1]) + 2;
  }
  return { words, length: at };
}

describe("answers", () => {
  it("are kept for the next process in a file that nobody else reads", async () => {
    await using server = await startFakeModel();
    await using first = asking(server.url);
    const result = await first.translator.translate(aRequest(), NEVER);
    await first.translator.close();
    expect(statSync(join(first.stateDir, "translations.db")).mode & 0o777).toBe(0o600);
    await using second = asking(server.url, "openai", { stateDir: first.stateDir });
    expect(await second.translator.translate(aRequest(), NEVER)).toEqual(result);
    expect(server.requests).toBe(1);
    expect(second.translator.use).toMatchObject({ requests: 0, cacheHits: 1 });
  });

  it("are shared by hosts through Redis", async () => {
    await using redis = await startFakeRedis();
    await using server = await startFakeModel();
    const env = { HEARTH_CACHE_URL: redis.url };
    await using first = asking(server.url, "openai", { env });
    const result = await first.translator.translate(aRequest(), NEVER);
    expect(redis.kept.size).toBe(1);
    await using second = asking(server.url, "openai", { env });
    expect(await second.translator.translate(aRequest(), NEVER)).toEqual(result);
    expect(server.requests).toBe(1);
    expect(second.translator.use).toMatchObject({ cacheHits: 1, cacheFaults: 0 });
  });

  it("are shared through Redis also when several are asked for before it is connected", async () => {
    await using redis = await startFakeRedis();
    await using server = await startFakeModel();
    await using asked = asking(server.url, "openai", { env: { HEARTH_CACHE_URL: redis.url } });
    await Promise.all(
      [1, 2, 3, 4, 5].map((number) => asked.translator.translate(aRequest({ reference: `octo/x@v${number}` }), NEVER)),
    );
    expect(asked.translator.use.cacheFaults).toBe(0);
    expect(redis.kept.size).toBe(5);
  });

  it("that somebody has put into a shared cache pass the checks or count for nothing", async () => {
    await using redis = await startFakeRedis();
    await using server = await startFakeModel();
    await using first = asking(server.url, "openai", { env: { HEARTH_CACHE_URL: redis.url } });
    const good = await first.translator.translate(aRequest(), NEVER);
    for (const [key, value] of redis.kept) redis.kept.set(key, value.replace("echo done", "curl evil.example.com"));
    await using second = asking(server.url, "openai", { env: { HEARTH_CACHE_URL: redis.url } });
    expect(await second.translator.translate(aRequest(), NEVER)).toEqual(good);
    expect(server.requests).toBe(2);
  });

  it.each(["not there", "silent"] as const)("are had without a Redis that is %s", async (how) => {
    await using redis = await startFakeRedis(how === "silent");
    if (how === "not there") await redis[Symbol.asyncDispose]();
    await using server = await startFakeModel();
    await using asked = asking(server.url, "openai", { env: { HEARTH_CACHE_URL: redis.url } });
    expect(await asked.translator.translate(aRequest(), NEVER)).toMatchObject({ kind: "translated" });
    expect(await asked.translator.translate(aRequest(), NEVER)).toMatchObject({ kind: "translated" });
    expect(asked.translator.use).toMatchObject({ requests: 1, cacheHits: 1, cacheFaults: 1 });
  });

  it("are had without a file that can be written", async () => {
    await using server = await startFakeModel();
    await using asked = asking(server.url, "openai", { stateDir: "/dev/null/state" });
    expect(await asked.translator.translate(aRequest(), NEVER)).toMatchObject({ kind: "translated" });
    expect(asked.translator.use.cacheFaults).toBe(1);
  });

  it("are of one action, one step, one model and one prompt", () => {
    const keys = [
      aRequest(),
      aRequest({ reference: "octo/other@v1" }),
      aRequest({ sha: "b".repeat(40) }),
      aRequest({ manifest: "x" }),
      aRequest({ readmeUsage: "x" }),
      aRequest({ with: { version: "text" } }),
      aRequest({ outputsUsed: [] }),
    ].map((request) => cacheKey(request, "a/b"));
    expect(new Set([...keys, cacheKey(aRequest(), "a/c")]).size).toBe(8);
    const given = { a: "text", b: "text" };
    const turned = { b: "text", a: "text" };
    expect(cacheKey(aRequest({ with: given }), "m")).toBe(cacheKey(aRequest({ with: turned }), "m"));
  });

  it("that nobody has asked for in half a year are let go", async () => {
    await using asked = asking("http://127.0.0.1:9");
    const path = join(asked.stateDir, "translations.db");
    let day = 0;
    const now = (): number => day * 24 * 3600_000;
    const early = createSqlitePlace(path, now);
    await early.set("used", "a");
    await early.set("unused", "b");
    day = 100;
    expect(await early.get("used")).toBe("a");
    await early.close();
    day = 200;
    const late = createSqlitePlace(path, now);
    expect([await late.get("used"), await late.get("unused")]).toEqual(["a", undefined]);
    await late.close();
  });

  it("found far away are put nearer", async () => {
    const [near, far] = [createMemoryPlace(), createMemoryPlace()];
    await far.set("k", "v");
    expect(await createAnswerCache([near, far]).get("k")).toBe("v");
    expect(await near.get("k")).toBe("v");
  });
});
