/**
 * The provider contract on real gVisor, and what only a real sandbox can show: what the guest cannot reach, and that nothing is
 * left on the host whatever is killed when (SECURITY-RELIABILITY A31, A33, F27).
 */
import { build } from "esbuild";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { findImage } from "../../src/image/image-store.ts";
import { runCommand } from "../../src/lib/run-command.ts";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { leftovers, processesOf } from "../../src/provider/gvisor/leftovers.ts";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import { findRunsc } from "../../src/provider/gvisor/runsc.ts";
import { providerContract } from "../../src/provider/provider.contract.ts";
import type { MachineSpec } from "../../src/provider/provider.ts";
import { ensurePackages } from "../../src/setup/apt.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";
import { dataDir, gvisorFixture, killSandbox, machineSpec, shell } from "./gvisor-fixture.ts";

let fixture: GvisorFixture;
const { signal } = new AbortController();

beforeAll(async () => {
  fixture = await gvisorFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());

/** It may have ended by itself. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

const provision = async (id: string, spec: Partial<MachineSpec> = {}) =>
  gvisorProvider(fixture.settings).provision({ ...machineSpec(id), ...spec }, signal);

providerContract("gvisor", {
  create: async () => gvisorProvider(fixture.settings),
  leftovers: async () => leftovers(fixture.settings.runDir),
  kill: async (machine) => killSandbox(fixture, machine.id),
});

describe("a gVisor machine", () => {
  afterEach(async () => {
    const left = await leftovers(fixture.settings.runDir);
    if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
  });

  it("is a Linux with a user, sudo, tools and GitHub's layout", async () => {
    await using machine = await provision("layout");
    await using agent = connectAgent(machine.agent);
    expect(machine.layout.work).toBe("/home/runner/work");
    const script = `id --user --name; sudo id --user; node --version; npm config get prefix; git config --get-regexp url
      python -c 'import multiprocessing; print(multiprocessing.Pool(2).map(abs, [-1, 2]))'
      touch ${machine.layout.toolCache}/mine ${machine.layout.work}/mine /tmp/mine; echo $RUNNER_TOOL_CACHE`;
    const { code, output } = await shell(agent, script);
    expect(output.split("\n")).toEqual([
      "runner",
      "0",
      expect.stringMatching(/^v24\./),
      "/usr/local",
      "url.http://10.77.0.1:9009/.insteadof https://github.com/",
      "[1, 2]",
      "/opt/hostedtoolcache",
    ]);
    expect(code).toBe(0);
  });

  it("has no way out but the egress stream, and sees nothing of the host", async () => {
    await using machine = await provision("closed");
    await using agent = connectAgent(machine.agent);
    const script = `ip -oneline link | cut --delimiter=: --fields=2
      for address in 1.1.1.1/53 169.254.169.254/80 10.0.2.2/80; do
        (exec 3<>/dev/tcp/$address) 2>/dev/null && echo "reached $address"
      done
      ls ${dataDir} ${fixture.settings.runDir} /dev/kvm /var/run/docker.sock 2>/dev/null || true
      find /run/hearth -mindepth 1
      mount | grep --fixed-strings ${fixture.settings.runDir} || true`;
    expect(await shell(agent, script, "root")).toEqual({ code: 0, output: "lo" });
  });

  it("cannot make a socket that the host would see, nor change agent and externals", async () => {
    await using machine = await provision("readonly");
    await using agent = connectAgent(machine.agent);
    // gVisor keeps the socket to itself: the guest sees it, the host does not.
    const script = `node -e 'const s = require("net").createServer().listen("/run/hearth/x.sock", () => s.close())'
      for place in /opt/externals /opt/hearth; do touch $place/x 2>/dev/null && echo "wrote $place"; done; true`;
    expect(await shell(agent, script, "root")).toEqual({ code: 0, output: "" });
    expect(await readdir(join(fixture.settings.runDir, "readonly/channel"))).toEqual([]);
  });

  it("leaves no trace for the next one, in the image or elsewhere", async () => {
    const canary = `canary-${process.pid}`;
    const places = "/ /etc /home/runner /opt/hostedtoolcache /root /run /tmp /usr/local/bin /var/tmp /dev/shm";
    {
      await using machine = await provision("first");
      await using agent = connectAgent(machine.agent);
      const script = `for place in ${places}; do echo x > $place/${canary}; done; echo ${canary} >> /etc/passwd`;
      expect(await shell(agent, script, "root")).toEqual({ code: 0, output: "" });
    }
    await using machine = await provision("second");
    await using agent = connectAgent(machine.agent);
    const script = `find / -xdev -name '${canary}*' -print -quit; grep --count ${canary} /etc/passwd || true`;
    expect(await shell(agent, script, "root")).toEqual({ code: 0, output: "0" });
    const image = await findImage(dataDir);
    const search = await runCommand(["find", image?.directory ?? "", "-name", `${canary}*`]);
    expect(search).toMatchObject({ code: 0, stdout: "" });
  });

  it("trusts the certificate authorities it was given beside its own, and the next one does not", async () => {
    const mark = "hearth-test-authority";
    const pem = `-----BEGIN CERTIFICATE-----\n${mark}\n-----END CERTIFICATE-----`;
    const count = "grep --count 'BEGIN CERT' /etc/ssl/certs/ca-certificates.crt";
    await using plain = await provision("plain");
    await using trusting = await provision("trusting", { certificateAuthorities: pem });
    await using plainAgent = connectAgent(plain.agent);
    await using trustingAgent = connectAgent(trusting.agent);
    const own = Number((await shell(plainAgent, count)).output);
    expect(own).toBeGreaterThan(50);
    expect(Number((await shell(trustingAgent, count)).output)).toBe(own + 1);
    expect((await shell(trustingAgent, "tail -2 /etc/ssl/certs/ca-certificates.crt")).output).toContain(mark);
  });

  it("is one of many at once, each with a boot of its own", async () => {
    const machines = await Promise.all([1, 2, 3, 4].map((index) => provision(`many-${index}`)));
    const bootIds = await Promise.all(
      machines.map(async (machine) => {
        await using agent = connectAgent(machine.agent);
        return (await agent.ready()).bootId;
      }),
    );
    await Promise.all(machines.map(async (machine) => machine[Symbol.asyncDispose]()));
    expect(new Set(bootIds).size).toBe(4);
  });

  it("is lost, with the reason, when its sandbox is killed", async () => {
    await using machine = await provision("killed");
    await killSandbox(fixture, "killed");
    expect((await machine.lost).reason).toMatch(/^The sandbox (exited with|was killed by)/);
  });

  it("is lost when a workflow kills the agent", async () => {
    await using machine = await provision("suicide");
    const agent = connectAgent(machine.agent);
    await expect(
      shell(agent, "sudo pkill -KILL --full '^/opt/externals/node24/bin/node .*/opt/hearth'; sleep 60"),
    ).rejects.toMatchObject({ code: "MACHINE_LOST" });
    expect((await machine.lost).reason).toContain("The machine's agent ended");
  });

  it.each([0, 10, 30, 60, 100, 150, 250])("leaves nothing when its start is given up after %d ms", async (afterMs) => {
    const reason = new Error("given up");
    const controller = new AbortController();
    const provisioning = gvisorProvider(fixture.settings).provision(machineSpec("aborted"), controller.signal);
    setTimeout(() => controller.abort(reason), afterMs);
    // On a fast host the last of these may come too late to stop the start.
    const result = await provisioning.catch((error: unknown) => error);
    if (result !== reason) await (await provisioning)[Symbol.asyncDispose]();
    expect(await leftovers(fixture.settings.runDir)).toEqual([]);
  });

  it.each([
    [
      "ends at once",
      'console.error("cannot go on"); process.exit(3);',
      /agent ended with status '3'\n(?:.*\n)?cannot go on/,
    ],
    [
      "gives a wrong greeting",
      `const socket = require("node:net").connect(process.env.HEARTH_AGENT_SOCKET);
       socket.on("data", () => socket.end("OK 0123456789abcdef\\n")); setInterval(() => undefined, 1000);`,
      /before a greeting/,
    ],
  ])("does not start when its agent %s, and says why", async (_, agent, message) => {
    const directory = await mkdtemp(join(tmpdir(), "hearth-test-agent-"));
    const agentBundle = join(directory, "agent.js");
    await writeFile(agentBundle, agent);
    const provider = gvisorProvider({ ...fixture.settings, agentBundle });
    await expect(provider.provision(machineSpec("stillborn"), signal)).rejects.toMatchObject({
      code: "MACHINE_START_FAILED",
      message: expect.stringMatching(message),
    });
    await rm(directory, { recursive: true });
  });

  it.each([
    ["sandbox", /^runsc-sandbox/],
    ["runsc", /^\S*\/runsc --root/],
    ["namespace", /^unshare /],
  ])("is lost with its cause when its %s is killed before it has answered", async (_, victim) => {
    const outcome = provision("unborn").catch((error: unknown) => error);
    const isOver = outcome.then(() => true);
    // One that is saved as a template, or copied from one, is made again.
    while (!(await Promise.race([isOver, delay(2, false)]))) {
      const processes = await processesOf(join(fixture.settings.runDir, "unborn"));
      for (const { pid } of processes.filter((entry) => victim.test(entry.arguments))) kill(pid);
    }
    expect(await outcome).toMatchObject({ code: "MACHINE_START_FAILED", loss: { cause: "killed" } });
  });

  it("starts from the image that is named, beside others from the default one", async () => {
    // On the disk of the images: the second one is made of links to the first.
    const own = await mkdtemp(join(dirname(dataDir), "hearth-test-images-"));
    try {
      await linkImage(join(own, "images/hearth-000000000000"), {});
      await linkImage(join(own, "images/second-000000000000"), { name: "second", hostname: "second" });
      await symlink(join(dataDir, "bin"), join(own, "bin"));
      const provider = gvisorProvider({ ...fixture.settings, dataDir: own });
      const names = [undefined, "second"].map(async (image, index) => {
        await using machine = await provider.provision({ ...machineSpec(`image-${index}`), image }, signal);
        await using agent = connectAgent(machine.agent);
        return (await shell(agent, "hostname")).output;
      });
      expect(await Promise.all(names)).toEqual(["hearth", "second"]);
    } finally {
      await rm(own, { recursive: true });
    }
  });

  it("needs an image and says which command makes it", async () => {
    await expect(provision("imageless", { image: "no-such" })).rejects.toMatchObject({
      code: "IMAGE_MISSING",
      hint: "hearth image build DEFINITION.json, where the definition's name is no-such",
    });
  });

  it("dies with the process that made it, even when that one is killed", async () => {
    const script = join(import.meta.dirname, "hold-machine.ts");
    const holder = spawn(process.execPath, [script, fixture.settings.runDir, "orphan"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    const directory = join(fixture.settings.runDir, "orphan");
    expect(await processesOf(directory)).not.toEqual([]);
    holder.kill("SIGKILL");
    await expect.poll(async () => processesOf(directory), { timeout: 10_000 }).toEqual([]);
    // Files are all that is left of it.
    expect(await readFile("/proc/self/mountinfo", "utf8")).not.toContain(directory);
    await rm(directory, { recursive: true });
  });
});

describe.runIf(process.getuid?.() === 0)("an ordinary user", () => {
  const user = "hearth-test";
  const home = `/home/${user}`;

  beforeAll(async () => {
    await ensurePackages(["uidmap"], { progress: () => undefined, signal });
    await runCommand(["userdel", "--remove", user]);
    await must(["useradd", "--create-home", user]);
    await giveDataTo(user, join(home, "data"));
  });
  afterAll(async () => {
    await must(["userdel", "--remove", user]);
  });

  it("makes a machine without being root, in which the runner is root when it says sudo", async () => {
    const paths = [join(home, "data"), join(home, "run"), join(home, "data/agent.js")];
    const argv = [join(home, "data/node"), join(home, "data/smoke.js"), ...paths];
    const { stdout, stderr } = await runCommand(["runuser", "--user", user, "--", ...argv], { cwd: home });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({
      uid: expect.not.stringMatching(/^0$/),
      probe: expect.objectContaining({ ok: true, isolation: "sandbox (gVisor)" }),
      code: 0,
      output: "1001\n0\nroot\nrunner\n",
      // And it is a copy of it.
      said: ["machine: making a template, once"],
      left: [],
    });
  });
});

/** The default image once more, as links; its manifest with these changes. */
async function linkImage(directory: string, changes: { readonly [key: string]: string }): Promise<void> {
  const image = await findImage(dataDir);
  if (image === undefined) throw new Error("not set up");
  await mkdir(directory, { recursive: true });
  await must(["cp", "--archive", "--link", image.rootfs, image.externals, directory]);
  const manifest: object = JSON.parse(await readFile(join(image.directory, "image.json"), "utf8"));
  await writeFile(join(directory, "image.json"), JSON.stringify({ ...manifest, ...changes }));
}

/** What root has set up, with the owners that the user's own setup would have given it. */
async function giveDataTo(name: string, to: string): Promise<void> {
  const image = await findImage(dataDir);
  const runsc = await findRunsc(dataDir, process.env["PATH"] ?? "");
  if (image === undefined || runsc === undefined) throw new Error("not set up");
  await mkdir(join(to, "images"), { recursive: true });
  await mkdir(join(to, "bin"));
  await copyFile(runsc, join(to, "bin/runsc"));
  await copyFile(process.execPath, join(to, "node"));
  await cp(fixture.settings.agentBundle, join(to, "agent.js"));
  const smoke = join(import.meta.dirname, "ordinary-user-smoke.ts");
  const output = join(to, "smoke.js");
  await build({
    entryPoints: [smoke],
    outfile: output,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
  });
  await must(["chown", "--recursive", `${name}:`, to]);
  const pipeline = `tar --create --directory="$1" --exclude='*/rootfs/dev/*' "$2/rootfs" "$2/externals" "$2/image.json" |
    runuser --user "$3" -- unshare --map-root-user --map-auto -- tar --extract --numeric-owner --preserve-permissions --directory="$4"`;
  const [parent, directory] = [join(dataDir, "images"), image.directory.split("/").at(-1) ?? ""];
  const argv = ["bash", "-e", "-o", "pipefail", "-c", pipeline, "bash", parent, directory, name, join(to, "images")];
  await must(argv);
}

async function must(argv: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(argv);
  if (code !== 0) throw new Error(`${argv[0]} failed: ${stderr}`);
}
