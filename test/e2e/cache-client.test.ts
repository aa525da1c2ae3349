/** The real client of actions/cache and the setup actions, `@actions/cache`, in a process of its own against the services on loopback. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asJob, openDoor, somePullRequest, someClaims } from "../../src/service/service-door.fixture.ts";
import type { Door, JobDoor } from "../../src/service/service-door.fixture.ts";
import { frontServer } from "../clients/fault-server.ts";

const CLIENT = import.meta.resolve("@actions/cache");
const MIB = 1 << 20;

let door: Door;
let job: JobDoor;
let workspace: string;
let temp: string;

beforeEach(async () => {
  door = openDoor();
  // The client's clock is the real one.
  door.clock.ms = Date.now();
  job = asJob(await door.attach(), someClaims());
  workspace = mkdtempSync(join(tmpdir(), "hearth-workspace-"));
  temp = mkdtempSync(join(tmpdir(), "hearth-temp-"));
});

afterEach(async () => {
  await door[Symbol.asyncDispose]();
  for (const directory of [workspace, temp]) rmSync(directory, { recursive: true, force: true });
});

interface ClientEnd {
  /** What the call came to, `null` for undefined. */
  readonly value: unknown;
  readonly output: string;
}

/** Runs one call of the client in an environment as a JavaScript action has it. */
async function callClient(call: string, given: Readonly<Record<string, string>> = {}): Promise<ClientEnd> {
  const result = join(temp, "result.json");
  const script = `
    import * as cache from ${JSON.stringify(CLIENT)};
    import { writeFileSync } from "node:fs";
    writeFileSync(${JSON.stringify(result)}, JSON.stringify((await ${call}) ?? null));`;
  const client = spawn(process.execPath, ["--input-type=module", "-e", script], {
    // Node looks for packages from here.
    cwd: workspace,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      GITHUB_WORKSPACE: workspace,
      GITHUB_SERVER_URL: "https://github.com",
      RUNNER_TEMP: temp,
      ...job.services.actionVariables,
      ...given,
    },
  });
  const output: Buffer[] = [];
  for (const stream of [client.stdout, client.stderr]) stream.on("data", (chunk: Buffer) => output.push(chunk));
  const [code] = await once(client, "close");
  const text = Buffer.concat(output).toString("utf8");
  if (code !== 0) throw new Error(`the client ended with ${code}: ${text}`);
  const value: unknown = JSON.parse(readFileSync(result, "utf8"));
  return { value, output: text };
}

function save(key: string, given?: Readonly<Record<string, string>>): Promise<ClientEnd> {
  return callClient(`cache.saveCache(["data"], ${JSON.stringify(key)})`, given);
}

function restore(
  key: string,
  restoreKeys: readonly string[] = [],
  given?: Readonly<Record<string, string>>,
): Promise<ClientEnd> {
  const keys = [key, restoreKeys].map((value) => JSON.stringify(value)).join(", ");
  return callClient(`cache.restoreCache(["data"], ${keys})`, given);
}

function writeData(content: Buffer | string): void {
  mkdirSync(join(workspace, "data"), { recursive: true });
  writeFileSync(join(workspace, "data", "file"), content);
}

function readData(): Buffer {
  return readFileSync(join(workspace, "data", "file"));
}

function removeData(): void {
  rmSync(join(workspace, "data"), { recursive: true, force: true });
}

/** A Enterprise Server by its name: the client falls back to the first protocol. */
const V1 = { GITHUB_SERVER_URL: "http://127.0.0.1" };

describe.each([
  { protocol: "v2", given: {} },
  { protocol: "v1", given: V1 },
])("@actions/cache, $protocol", ({ given }) => {
  it.each([
    { size: "1 byte", bytes: 1 },
    { size: "1 MiB", bytes: MIB },
    { size: "200 MiB", bytes: 200 * MIB },
  ])(
    "saves and restores $size",
    async ({ bytes }) => {
      const content = randomBytes(bytes);
      writeData(content);
      expect(await save("key", given)).toMatchObject({ value: 1 });
      removeData();
      expect(await restore("key", [], given)).toMatchObject({ value: "key" });
      expect(readData().equals(content)).toBe(true);
    },
    120_000,
  );

  it("restores by a prefix, the newest one", async () => {
    for (const key of ["npm-1", "npm-2", "yarn-1"]) {
      writeData(key);
      await save(key, given);
    }
    removeData();
    expect(await restore("npm-3", ["pnpm-", "npm-"], given)).toMatchObject({ value: "npm-2" });
    expect(readData().toString()).toBe("npm-2");
    expect(await restore("pnpm-1", [], given)).toMatchObject({ value: null });
  }, 60_000);

  it("does not save a key again, and says so without a warning", async () => {
    writeData("first");
    await save("key", given);
    writeData("second");
    const again = await save("key", given);
    expect(again.value).toBe(-1);
    expect(again.output).toContain("Unable to reserve cache with key key");
    expect(again.output).not.toContain("::warning");
    await restore("key", [], given);
    expect(readData().toString()).toBe("first");
  }, 60_000);

  it("goes on without a cache when the job may not write one, and says why", async () => {
    job = asJob(await door.attach(), someClaims({ event: "pull_request_target" }));
    writeData("x");
    const { value, output } = await save("key", given);
    expect(value).toBe(-1);
    expect(output).toContain("::warning::");
    expect(output).toContain("cache write denied: ");
  }, 60_000);

  it("goes on without a cache when its token has expired", async () => {
    writeData("x");
    await save("key", given);
    door.clock.ms += 3600_000;
    removeData();
    const { value, output } = await restore("key", [], given);
    expect(value).toBeNull();
    expect(output).toContain("401");
  }, 60_000);
});

describe("@actions/cache", () => {
  it("uploads more than 128 MiB in blocks of 64 MiB, side by side", async () => {
    const blocks = new Set<string>();
    await using proxy = await frontServer(job.origin, (incoming) => {
      const block = /[?&]blockid=(?<id>[^&]+)/.exec(incoming.url ?? "")?.groups?.["id"];
      if (block !== undefined) blocks.add(block);
      return undefined;
    });
    writeData(randomBytes(300 * MIB));
    job = await throughProxy(proxy.origin);
    expect((await save("key")).value).toBe(1);
    expect(blocks.size).toBe(5);
  }, 120_000);

  it("restores in a pull request what its base branch saved, and saves for itself", async () => {
    writeData("main");
    await save("key");
    job = asJob(await door.attach(), somePullRequest(7));
    expect((await restore("key")).value).toBe("key");
    writeData("pull");
    expect((await save("key")).value).toBeGreaterThan(0);
    await restore("key");
    expect(readData().toString()).toBe("pull");
  }, 60_000);

  it("saves through a server that fails once in a while, and a connection that is cut", async () => {
    const failed = new Set<string>();
    await using proxy = await frontServer(job.origin, (incoming) => {
      const call = `${incoming.method} ${(incoming.url ?? "").replace(/[?].*comp=/, " ")}`.slice(0, 80);
      if (failed.has(call)) return undefined;
      failed.add(call);
      return call.startsWith("PUT") ? { cutRequestAfterBytes: 0 } : { status: 503 };
    });
    writeData(randomBytes(MIB));
    job = await throughProxy(proxy.origin);
    expect((await save("key")).value).toBe(1);
    expect(failed.size).toBeGreaterThanOrEqual(3);
    removeData();
    expect((await restore("key")).value).toBe("key");
    expect(readData()).toHaveLength(MIB);
  }, 120_000);

  it("does not take half a download for the whole", async () => {
    writeData(randomBytes(4 * MIB));
    await save("key");
    const [name = ""] = readdirSync(join(door.stateDir, "blobs", "caches"));
    const block = join(door.stateDir, "blobs", "caches", name, "0");
    const changed = readFileSync(block);
    changed[100] = (changed[100] ?? 0) ^ 1;
    writeFileSync(block, changed);
    removeData();
    const { value, output } = await restore("key");
    expect(value).toBeNull();
    expect(output).toContain("::warning::");
  }, 120_000);
});

/** The same machine seen through the proxy: addresses are those that the services would give if they stood there. */
async function throughProxy(origin: string): Promise<JobDoor> {
  const { services, ...rest } = job;
  const actionVariables = Object.fromEntries(
    Object.entries(services.actionVariables).map(([name, value]) => [name, value.replace(job.origin, origin)]),
  );
  return { ...rest, services: { ...services, actionVariables } };
}
