import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keyOf, listTemplates, obtainTemplate, pruneTemplates } from "./template-store.ts";
import type { HeldTemplate, ObtainOptions, Obtained, Template } from "./template-store.ts";

const { signal } = new AbortController();

describe("the store of templates", () => {
  let dataDir: string;
  let fills: string[];
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "hearth-test-templates-"));
    fills = [];
  });
  afterEach(async () => rm(dataDir, { recursive: true }));

  function options(image = "i1", changes: Partial<ObtainOptions> = {}): ObtainOptions {
    return {
      dataDir,
      parts: { provider: "fake", image },
      fill: async (directory) => {
        fills.push(image);
        await writeFile(join(directory, "memory"), image);
        return { kind: "made" };
      },
      roomBytes: 0,
      progress: () => undefined,
      signal,
      ...changes,
    };
  }
  const obtain = (image?: string, changes?: Partial<ObtainOptions>): Promise<Obtained> =>
    obtainTemplate(options(image, changes));
  const names = async (): Promise<string[]> =>
    (await readdir(join(dataDir, "templates"))).filter((name) => name !== ".lock");

  it("makes a template once, however many ask for it at the same time, and says so", async () => {
    const said: string[] = [];
    const progress = (line: string): void => void said.push(line);
    const first = Promise.withResolvers<void>();
    const slow = options();
    const fill: ObtainOptions["fill"] = async (directory, fillSignal) => {
      await first.promise;
      return slow.fill(directory, fillSignal);
    };
    const obtaining = Array.from({ length: 8 }, () => obtain("i1", { progress, fill }));
    await expect.poll(() => said.filter((line) => line.includes("waiting for another"))).toHaveLength(7);
    first.resolve();
    const all = await Promise.all(obtaining);
    expect(fills).toEqual(["i1"]);
    expect(new Set(all.map((one) => one.kind === "held" && one.directory)).size).toBe(1);
    expect(await readFile(join(held(all[0]).directory, "memory"), "utf8")).toBe("i1");
    expect(said.filter((line) => line.includes("making a template, once"))).toHaveLength(1);
  });

  it("keeps templates to this user", async () => {
    const { directory } = held(await obtain());
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(dataDir, "templates"))).mode & 0o777).toBe(0o700);
  });

  it("gives another key when any part differs, and the same whatever their order", () => {
    const parts = { provider: "fake", image: "i", cpu: "a|b" };
    expect(keyOf({ cpu: "a|b", image: "i", provider: "fake" })).toBe(keyOf(parts));
    expect(keyOf({ ...parts, cpu: "a" })).not.toBe(keyOf(parts));
    expect(keyOf({ ...parts, more: "" })).not.toBe(keyOf(parts));
    expect(keyOf({ ...parts, image: 'i","cpu":"a' })).not.toBe(keyOf(parts));
  });

  it("leaves nothing when making fails or is aborted, and makes it the next time", async () => {
    const failing = obtain("i1", { fill: async () => Promise.reject(new Error("no luck")) });
    await expect(failing).rejects.toThrow("no luck");
    expect(await names()).toEqual([]);
    const controller = new AbortController();
    const aborted = obtain("i1", {
      signal: controller.signal,
      fill: async (_directory, fillSignal) => {
        controller.abort(new Error("no longer wanted"));
        fillSignal.throwIfAborted();
        return { kind: "made" };
      },
    });
    await expect(aborted).rejects.toThrow("no longer wanted");
    expect(await names()).toEqual([]);
    expect((await obtain()).kind).toBe("held");
  });

  it("remembers what cannot be saved, and why", async () => {
    expect(await obtain("i1", { fill: withoutPerl })).toMatchObject({ kind: "none", reason: "no perl" });
    expect(await obtain("i1")).toMatchObject({ kind: "none", reason: "no perl" });
    expect(fills).toEqual([]);
    expect(await listTemplates(dataDir)).toMatchObject([{ impossible: "no perl" }]);
  });

  it("makes none where the disk has no room, and forgets that", async () => {
    expect(await obtain("i1", { roomBytes: 2 ** 60 })).toMatchObject({
      kind: "none",
      reason: expect.stringContaining("must be free"),
    });
    expect((await obtain("i1")).kind).toBe("held");
  });

  it("makes a damaged one anew", async () => {
    const { directory } = held(await obtain());
    await writeFile(join(directory, "template.json"), "{");
    expect((await obtain()).kind).toBe("held");
    expect(fills).toEqual(["i1", "i1"]);
  });

  it("removes what nobody wants and what was not used lately, but nothing that is in use", async () => {
    for (const image of ["old", "unwanted"]) await held(await obtain(image))[Symbol.asyncDispose]();
    const inUse = held(await obtain("held"));
    await utimes(join(inUse.directory, "template.json"), 1, 1);
    const latest = held(await obtain("new"));
    expect(await pruneTemplates(dataDir, { provider: "other", isWanted: () => false, keep: 0, signal })).toEqual([]);
    const removed = await pruneTemplates(dataDir, { provider: "fake", isWanted, keep: 1, signal });
    expect(removed.map(({ parts }) => parts.image).toSorted()).toEqual(["old", "unwanted"]);
    expect(await readFile(join(inUse.directory, "memory"), "utf8")).toBe("held");
    expect((await listTemplates(dataDir)).map(({ parts, inUse: used }) => [parts.image, used])).toEqual([
      ["new", true],
      ["held", true],
    ]);
    await latest[Symbol.asyncDispose]();
    await inUse[Symbol.asyncDispose]();
    expect(await pruneTemplates(dataDir, { provider: "fake", isWanted, keep: 1, signal })).toMatchObject([
      { parts: { image: "held" } },
    ]);
  });

  it("makes a discarded one anew", async () => {
    await held(await obtain()).discard();
    expect(await names()).toEqual([]);
    expect((await obtain()).kind).toBe("held");
  });

  it("is not disturbed by a process that was killed while it made one, nor keeps what that one left", async () => {
    const script = `
      import { writeFile } from "node:fs/promises";
      import { obtainTemplate } from ${JSON.stringify(join(import.meta.dirname, "template-store.ts"))};
      await obtainTemplate({
        dataDir: process.argv[1], parts: { provider: "fake", image: "i1" }, roomBytes: 0, progress: () => {},
        signal: new AbortController().signal,
        fill: async (directory) => {
          await writeFile(directory + "/memory", "half");
          process.stdout.write("filling");
          await new Promise((resolve) => setTimeout(resolve, 600_000));
        },
      });`;
    const flags = process.features.typescript === false ? ["--experimental-strip-types"] : [];
    const killed = spawn(process.execPath, [...flags, "--input-type=module", "-e", script, dataDir], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(killed.stdout, "data");
    expect(await names()).toEqual([expect.stringMatching(/^\.building-/)]);
    killed.kill("SIGKILL");
    const { directory } = held(await obtain());
    expect(await readFile(join(directory, "memory"), "utf8")).toBe("i1");
    expect(await names()).toHaveLength(1);
  });
});

const withoutPerl = async () => ({ kind: "impossible", reason: "no perl" }) as const;

function isWanted({ parts }: Template): boolean {
  return parts.image !== "unwanted";
}

function held(obtained: Obtained | undefined): HeldTemplate {
  if (obtained?.kind !== "held") throw new Error("not held");
  return obtained;
}
