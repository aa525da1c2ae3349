import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createMachineDirectory } from "./machine-directory.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-machine-"));
});
afterEach(() => rm(dataDir, { recursive: true }));

async function configOf(id: string) {
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
  await using directory = await createMachineDirectory(places, spec, image);
  const { process, mounts } = JSON.parse(await readFile(join(directory.sandbox.bundle, "config.json"), "utf8"));
  const tools = mounts.filter(({ destination }: { destination: string }) => destination === "/opt/hearth-tools");
  return { args: process.args, tools };
}

it("shows a machine the host's tools for reading, under a layer of its own, and nothing where there are none", async () => {
  const plain = await configOf("one");
  expect(plain.tools).toEqual([]);
  expect(plain.args.slice(0, 4)).toEqual(["/usr/bin/tini", "-v", "--", "/opt/externals/node24/bin/node"]);

  await mkdir(join(dataDir, "tools/cache/node/24.1.0/x64"), { recursive: true });
  const covered = await configOf("two");
  expect(covered.tools).toMatchObject([
    { source: join(dataDir, "tools/cache"), options: expect.arrayContaining(["ro"]) },
  ]);
  expect(covered.args.slice(0, 5)).toEqual(["/usr/bin/tini", "-v", "--", "/bin/sh", "-ec"]);
  expect(covered.args[5]).toContain("lowerdir=/opt/hearth-tools,upperdir=/run/tools/files");
  expect(covered.args.slice(7)).toEqual(plain.args.slice(3));
});
