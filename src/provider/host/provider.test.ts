import { readFileSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openAgent } from "../../protocol/open-agent.ts";
import { providerContract } from "../provider.contract.ts";
import { hostProvider } from "./provider.ts";

const directory = await mkdtemp(join(tmpdir(), "hearth-host-test-"));
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const provider = hostProvider({ env: { ...process.env, HEARTH_SECRET: "x" }, directory });
const spec = {
  cpus: 1,
  memoryMib: 512,
  certificateAuthorities: undefined,
  image: undefined,
};
const { signal } = new AbortController();

async function leftovers(): Promise<string[]> {
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => environmentOf(pid).includes(directory));
  return [...(await readdir(directory)), ...processes.map((pid) => `process ${pid}`)];
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    // Gone meanwhile, or somebody else's.
    return "";
  }
}

providerContract("host", {
  create: async () => provider,
  leftovers,
  skip: { lost: "the machine is Hearth's own process: nobody outlives it to be told" },
});

it("keeps to GitHub's layout, with the user's own home and the running Node as externals", async () => {
  await using machine = await provider.provision({ id: "layout", ...spec }, signal);
  expect(machine.layout.home).toBe(homedir());
  expect((await stat(join(machine.layout.externals, "node24/bin/node"))).isFile()).toBe(true);
  expect((await stat(machine.layout.toolCache)).isDirectory()).toBe(true);
});

it("kills at disposal what a step left running, and removes directories without write permission", async () => {
  const machine = await provider.provision({ id: "left", ...spec }, signal);
  const agent = await openAgent(machine.agent);
  const script =
    'sleep 1000 >/dev/null 2>&1 & mkdir -p "$RUNNER_TEMP/sealed/inner"; chmod -R a-w "$RUNNER_TEMP/sealed"';
  const env = { ...(await agent.ready()).env, RUNNER_TEMP: machine.layout.temp };
  const request = {
    id: "a",
    argv: ["bash", "-c", script],
    env,
    cwd: "/",
    user: "runner" as const,
    write: [],
    read: [],
  };
  expect((await agent.exec(request, () => undefined)).code).toBe(0);
  expect((await leftovers()).filter((left) => left.startsWith("process"))).not.toEqual([]);
  await machine[Symbol.asyncDispose]();
  expect(await leftovers()).toEqual([]);
});

it("never empties a directory outside the machine's own", async () => {
  const precious = join(directory, "precious");
  await mkdir(precious);
  await writeFile(join(precious, "file"), "x");
  {
    await using machine = await provider.provision({ id: "guard", ...spec }, signal);
    await using agent = await openAgent(machine.agent);
    for (const path of [precious, homedir(), join(machine.layout.work, "../../precious"), "/"]) {
      await expect(agent.reset({ empty: [path] })).rejects.toMatchObject({ code: "GUEST_REFUSED" });
    }
  }
  expect(await readdir(precious)).toEqual(["file"]);
  await rm(precious, { recursive: true });
});

it("names the operator's problem when machines cannot be made there", async () => {
  const nowhere = hostProvider({ env: {}, directory: "/dev/null/nowhere" });
  await expect(nowhere.provision({ id: "x", ...spec }, signal)).rejects.toMatchObject({ code: "MACHINE_START_FAILED" });
});

it("links each version of the host's tools, so that what a job installs beside them goes with the machine and they stay", async () => {
  const toolCache = join(directory, "tools");
  await mkdir(join(toolCache, "node/24.1.0/x64/bin"), { recursive: true });
  await writeFile(join(toolCache, "node/24.1.0/x64.complete"), "");
  const withTools = hostProvider({ env: {}, directory, toolCache });
  const machine = await withTools.provision({ id: "tools", ...spec }, signal);
  const node = join(machine.layout.toolCache, "node");
  expect((await readdir(join(node, "24.1.0"))).toSorted()).toEqual(["x64", "x64.complete"]);
  await mkdir(join(node, "22.0.0/x64"), { recursive: true });
  await machine[Symbol.asyncDispose]();
  expect(await readdir(join(toolCache, "node"))).toEqual(["24.1.0"]);
  expect(await readdir(join(toolCache, "node/24.1.0/x64"))).toEqual(["bin"]);
  await rm(toolCache, { recursive: true });
});
