/**
 * Real sandboxes that are killed, or take more than they were given: each says why it is gone, another one beside it does its
 * work meanwhile, and nothing is left (SECURITY-RELIABILITY A32, F05-F07).
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { AgentClient } from "../../src/protocol/agent-client.ts";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { listCgroups } from "../../src/provider/cgroup.ts";
import { leftovers, processesOf } from "../../src/provider/gvisor/leftovers.ts";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import type { MachineLoss, MachineSpec } from "../../src/provider/provider.ts";
import { parseEvents } from "../example-record.ts";
import { leftovers as leftoversOf } from "../leftovers.ts";
import { sandbox } from "../run-hearth.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";
import { gvisorFixture, machineSpec, shell } from "./gvisor-fixture.ts";

let fixture: GvisorFixture;
beforeAll(async () => {
  fixture = await gvisorFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());
afterEach(async () => {
  const { settings } = fixture;
  const cgroups = settings.cgroups === undefined ? [] : await listCgroups(settings.cgroups);
  const left = [
    ...(await leftovers(settings.runDir)),
    ...cgroups.filter(({ id }) => id.startsWith("limits-")).map(({ id }) => `cgroup ${id}`),
  ];
  if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
});

const provision = async (id: string, spec: Partial<MachineSpec> = {}) =>
  gvisorProvider(fixture.settings).provision({ ...machineSpec(id), ...spec }, new AbortController().signal);

/** How a machine of `id` is lost when `strike` is done to it. */
async function lossBy(
  id: string,
  strike: (agent: AgentClient) => Promise<unknown>,
  spec: Partial<MachineSpec> = {},
): Promise<MachineLoss> {
  await using machine = await provision(id, spec);
  await using agent = connectAgent(machine.agent);
  await agent.ready();
  // The command that strikes goes with the machine.
  strike(agent).catch(() => undefined);
  return await machine.lost;
}

async function killProcess(id: string, name: string): Promise<void> {
  const all = await processesOf(join(fixture.settings.runDir, id));
  const found = all.find(({ arguments: text }) => text.split(" ")[0]?.endsWith(name));
  if (found === undefined) throw new Error(`no process ${name} of machine ${id}`);
  process.kill(found.pid, "SIGKILL");
}

describe("a machine that is lost says why:", () => {
  it.each(["runsc-sandbox", "runsc", "runsc-gofer"])("killed, when its process %s was", async (name) => {
    const id = `limits-${name}`;
    const loss = await lossBy(id, async () => killProcess(id, name));
    expect(loss).toMatchObject({ cause: "killed", reason: "The sandbox was killed by SIGKILL" });
  });

  it("agent ended, when that was killed in the guest, with what the console said last", async () => {
    const loss = await lossBy("limits-agent", async (agent) => shell(agent, "kill -9 $(pidof node)", "root"));
    expect(loss).toMatchObject({ cause: "agent_ended", reason: "The machine's agent ended with signal 'Killed'" });
    expect(loss.console).toContain("Main child exited with signal");
  });

  it("out of memory, when the host's kernel killed for it", async (context) => {
    if (fixture.settings.cgroups === undefined) context.skip("this host has no cgroup that can be written");
    const loss = await lossBy("limits-memory", async (agent) => shell(agent, HOG), { memoryMib: 512 });
    expect(loss).toMatchObject({ cause: "out_of_memory", reason: expect.stringContaining("the machine has 512 MiB") });
  });
});

const HOG = "python3 -c 'held = []\nwhile True: held.append(bytearray(1 << 24))'";
const FILL_DISK = "dd if=/dev/zero of=$HOME/fill bs=1M";
const FORK_BOMB = "bomb() { bomb | bomb & }; bomb; sleep 600";
/** Each file is an inode in gVisor's memory. */
const FILL_INODES = `python3 -c '
import os
os.mkdir("/home/runner/full")
for number in range(10**9): open("/home/runner/full/%d" % number, "w").close()'`;

/** What any machine does in a second. */
const REFERENCE = "for i in $(seq 20); do echo $i | sha256sum > ~/sum-$i; done; cat ~/sum-* | wc -l; node -p 6*7";

describe("a machine that takes all it can get", () => {
  it.for<[string, string, RegExp]>([
    ["memory", HOG, /out_of_memory/],
    ["processes", FORK_BOMB, /ended|out_of_memory/],
    ["inodes", FILL_INODES, /out_of_memory/],
  ])("of %s is lost with its cause, and another does its work meanwhile", async ([what, bomb, cause], context) => {
    if (fixture.settings.cgroups === undefined) context.skip("this host has no cgroup that can be written");
    await using other = await provision(`limits-other-${what}`);
    await using agent = connectAgent(other.agent);
    const lost = lossBy(`limits-${what}`, async (victim) => shell(victim, bomb), { memoryMib: 384, cpus: 1 });
    expect(await shell(agent, REFERENCE)).toEqual({ code: 0, output: "20\n42" });
    expect((await lost).cause).toMatch(cause);
    expect(await shell(agent, REFERENCE)).toEqual({ code: 0, output: "20\n42" });
  });

  it("of files in memory fills them, and goes on", async () => {
    await using machine = await provision("limits-tmp", { memoryMib: 512 });
    await using agent = connectAgent(machine.agent);
    const script = `dd if=/dev/zero of=/tmp/fill bs=1M 2>&1 | grep -o 'No space left on device'; rm /tmp/fill; echo on`;
    expect((await shell(agent, script)).output).toBe("No space left on device\non");
  });
});

/** The disk is what the host has free but for its reserve, at most 20 GiB: too much to fill in a test. */
const SMALL_DISK_MIB = 256;

describe("a machine whose disk is full", () => {
  it("says so when it is asked, and has room again when the file is gone", async () => {
    const small = { ...fixture.settings, diskMib: SMALL_DISK_MIB };
    const machine = await gvisorProvider(small).provision(machineSpec("limits-disk"), new AbortController().signal);
    await using owned = machine;
    await using agent = connectAgent(owned.agent);
    const place = { path: `${machine.layout.work}/hello` };
    expect((await agent.vitals(place)).freeBytes).toBeGreaterThan(SMALL_DISK_MIB * 2 ** 19);
    expect((await shell(agent, `${FILL_DISK} 2>&1`)).output).toContain("No space left on device");
    expect((await agent.vitals(place)).freeBytes).toBeLessThan(2 ** 20);
    expect((await shell(agent, "rm ~/fill; echo room > ~/some; cat ~/some")).output).toBe("room");
  });
});

it("a run whose machine ran out of memory says so in its result, on the terminal and in its log", async (context) => {
  if (fixture.settings.cgroups === undefined) context.skip("this host has no cgroup that can be written");
  await using place = await sandbox();
  const workflows = join(place.directory, "project", ".github", "workflows");
  await mkdir(workflows, { recursive: true });
  const workflow = { on: "push", jobs: { hog: { "runs-on": "ubuntu-latest", steps: [{ run: HOG }] } } };
  await writeFile(join(workflows, "hog.yml"), JSON.stringify(workflow));
  const options = { cwd: join(place.directory, "project"), env: { HEARTH_MACHINE_MEMORY_MIB: "512" } };
  const json = await place.run(["run", "--provider", "gvisor", "--json"], options);
  const events = parseEvents(json.stdout);
  // The kernel kills what it likes: the step's process alone, and then the step says it, or what the machine cannot do without.
  const said = events.some(
    (event) =>
      (event.type === "machine_lost" && event.cause === "out_of_memory") ||
      (event.type === "step_completed" && event.fate.kind === "ran" && event.fate.trouble === "out_of_memory"),
  );
  expect(said).toBe(true);
  const plain = await place.run(["run", "--provider", "gvisor"], options);
  expect([1, 5]).toContain(plain.exitCode);
  expect(plain.stdout).toMatch(/\(.*out of memory\)/);
  const logs = await place.run(["logs"], options);
  expect(logs.stdout).toMatch(/\(.*out of memory\)/);
  expect(await leftoversOf(place)).toEqual([]);
});
