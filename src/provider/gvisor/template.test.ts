import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keyOf } from "../../template/template-store.ts";
import type { MachineSpec } from "../provider.ts";
import type { Prepared } from "./prepare.ts";
import { templateParts } from "./template.ts";

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-template-"));
  await writeFile(join(dataDir, "runsc"), "one");
  await writeFile(join(dataDir, "agent.js"), "one");
  await mkdir(join(dataDir, "tools/node/24.1.0"), { recursive: true });
});
afterEach(() => rm(dataDir, { recursive: true }));

interface Changes {
  readonly spec?: Partial<MachineSpec>;
  readonly prepared?: Partial<Prepared>;
  readonly uid?: number;
}

async function keyWith({ spec = {}, prepared = {}, uid = 0 }: Changes = {}): Promise<string> {
  const settings = {
    dataDir,
    runDir: join(dataDir, "run"),
    agentBundle: join(dataDir, "agent.js"),
    searchPath: "",
    uid,
    cgroups: undefined,
    progress: () => undefined,
  };
  const image = {
    name: "hearth",
    digest: "a".repeat(64),
    labels: [],
    hostname: "hearth",
    directory: dataDir,
    rootfs: join(dataDir, "rootfs"),
    externals: join(dataDir, "externals"),
    builtAt: new Date(0),
    sizeBytes: 0,
    ...prepared.image,
  };
  const runsc = { binary: join(dataDir, "runsc"), uid };
  const all = { runsc, tools: join(dataDir, "tools"), diskMib: 1024, ...prepared, image };
  const plain = { id: "one", cpus: 1, memoryMib: 512, certificateAuthorities: undefined, image: undefined };
  const request = { settings, spec: { ...plain, ...spec }, prepared: all, signal: new AbortController().signal };
  return keyOf(await templateParts(request));
}

describe("a template's key", () => {
  it("is the same for every machine of a kind, wherever its own files are", async () => {
    expect(await keyWith({ spec: { id: "two" } })).toBe(await keyWith());
  });

  it.for<[string, Changes]>([
    ["memory", { spec: { memoryMib: 513 } }],
    ["processors", { spec: { cpus: 2 } }],
    ["authorities", { spec: { certificateAuthorities: "some" } }],
    ["room on the disk", { prepared: { diskMib: 2048 } }],
    ["user", { uid: 1000 }],
    ["absence of tools", { prepared: { tools: undefined } }],
  ])("is another for other %s", async ([, changes]) => {
    expect(await keyWith(changes)).not.toBe(await keyWith());
  });

  it.for<[string, () => Promise<unknown>]>([
    ["an agent", () => writeFile(join(dataDir, "agent.js"), "two")],
    ["a runsc", () => writeFile(join(dataDir, "runsc"), "longer")],
    ["tools", () => mkdir(join(dataDir, "tools/node/24.2.0"))],
  ])("is another after a change of %s", async ([, change]) => {
    const before = await keyWith();
    await change();
    expect(await keyWith()).not.toBe(before);
  });

  it("is another when the same authorities give way to others", async () => {
    const some = await keyWith({ spec: { certificateAuthorities: "some" } });
    expect(await keyWith({ spec: { certificateAuthorities: "others" } })).not.toBe(some);
  });
});
