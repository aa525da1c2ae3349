import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
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
  await using directory = await createMachineDirectory(...wanted(id, tools));
  const { process, mounts } = JSON.parse(await readFile(join(directory.sandbox.bundle, "config.json"), "utf8"));
  const shown = mounts.filter(({ destination }: { destination: string }) => destination === "/opt/hearth-tools");
  return { args: process.args, shown };
}

function wanted(id: string, tools: string | undefined): Parameters<typeof createMachineDirectory> {
  const spec = { id, cpus: 1, memoryMib: 512, certificateAuthorities: undefined, image: undefined };
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
  return [places, spec, { image, tools, diskMib: 1024 }];
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

/** Makes a machine's directory, and is killed in the middle of its removal. */
const CUT_SHORT = `import { existsSync, mkdirSync } from "node:fs";
  import { join } from "node:path";
  import { createMachineDirectory } from ${JSON.stringify(join(import.meta.dirname, "machine-directory.ts"))};
  const directory = await createMachineDirectory(...JSON.parse(process.argv[1]));
  for (let index = 0; index < 300; index += 1) mkdirSync(join(directory.path, "state", "d" + index, "below"), { recursive: true });
  void directory[Symbol.asyncDispose]();
  setInterval(() => existsSync(directory.sandbox.bundle) || process.kill(process.pid, "SIGKILL"), 0);`;

it("is swept up by the next machine when the removal of one before it was cut short", async () => {
  const wish = JSON.stringify(wanted("killed", undefined));
  spawnSync(process.execPath, ["--input-type=module", "--eval", CUT_SHORT, wish]);
  const path = join(dataDir, "run", "killed");
  expect(await readdir(path)).toContain(".hearth-owner");
  await using next = await createMachineDirectory(...wanted("next", undefined));
  expect([next.path, path].map((directory) => existsSync(directory))).toEqual([true, false]);
});
