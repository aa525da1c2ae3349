import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createMachineDirectory } from "./machine-directory.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-machine-"));
});
afterEach(() => rm(dataDir, { recursive: true }));

async function configOf(id: string, tools: string | undefined) {
  const spec = {
    id,
    cpus: 1,
    memoryMib: 512,
    certificateAuthorities: undefined,
    image: undefined,
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
  };
  const places = { dataDir, runDir: join(dataDir, "run"), agentBundle: "/opt/agent/agent.js" };
  const contents = { image, tools, diskMib: 1024 };
  await using directory = await createMachineDirectory(places, spec, contents);
  const { process, mounts } = JSON.parse(await readFile(join(directory.sandbox.bundle, "config.json"), "utf8"));
  const shown = mounts.filter(({ destination }: { destination: string }) => destination === "/opt/hearth-tools");
  return { args: process.args, shown };
}

it("shows a machine the host's tools for reading, under a layer of its own, and nothing where there are none", async () => {
  const plain = await configOf("one", undefined);
  expect(plain.shown).toEqual([]);
  expect(plain.args.slice(0, 4)).toEqual(["/usr/bin/tini", "-v", "--", "/opt/externals/node24/bin/node"]);

  const covered = await configOf("two", "/data/tools");
  expect(covered.shown).toMatchObject([{ source: "/data/tools", options: expect.arrayContaining(["ro"]) }]);
  expect(covered.args.slice(0, 5)).toEqual(["/usr/bin/tini", "-v", "--", "/bin/sh", "-ec"]);
  expect(covered.args[5]).toContain("lowerdir=/opt/hearth-tools,upperdir=/run/tools/files");
  expect(covered.args.slice(7)).toEqual(plain.args.slice(3));
});
