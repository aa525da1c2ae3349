/** Real QEMU machines for tests: the host's own image and kernel, and a place of its own for everything else. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, symlink } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { agentBundle } from "../../src/agent-bundle.ts";
import { buildImage } from "../../src/image/build-image.ts";
import { defaultDefinition } from "../../src/image/definition.ts";
import { prepareKernel } from "../../src/image/kernel.ts";
import { prepareDisks } from "../../src/image/squashfs.ts";
import { findCgroupRoot, thisHost } from "../../src/provider/cgroup-root.ts";
import type { QemuProviderOptions } from "../../src/provider/qemu/prepare.ts";

const env = process.env;
const hostDataDir = env["HEARTH_DATA"] ?? join(env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "hearth");

export interface QemuFixture extends AsyncDisposable {
  readonly options: QemuProviderOptions;
}

export async function qemuFixture(): Promise<QemuFixture> {
  const setUp = { dataDir: hostDataDir, progress: () => undefined, signal: new AbortController().signal };
  await prepareDisks(await buildImage(defaultDefinition, setUp), setUp);
  await prepareKernel(setUp);
  const dataDir = await mkdtemp(join(tmpdir(), "hearth-test-qemu-"));
  for (const name of ["images", "kernels"]) await symlink(join(hostDataDir, name), join(dataDir, name));
  return {
    options: await qemuOptions(dataDir),
    [Symbol.asyncDispose]: async () => rm(dataDir, { recursive: true }),
  };
}

export async function qemuOptions(dataDir: string): Promise<QemuProviderOptions> {
  return {
    dataDir,
    agentBundle: await agentBundle(hostDataDir),
    accelerator: "tcg",
    progress: () => undefined,
    cgroups: await findCgroupRoot(await thisHost()),
  };
}

/** QEMU processes whose machine's id begins so. */
export async function qemuProcesses(idPrefix: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    // Gone meanwhile: then it is not there.
    const argv = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
    if (argv.some((argument) => argument.startsWith(`hearth-${idPrefix}`))) found.push(Number(pid));
  }
  return found;
}

/** Processes, and files that still have a name. */
export async function qemuLeftovers(dataDir: string, idPrefix: string): Promise<string[]> {
  const processes = await qemuProcesses(idPrefix);
  // Made by the first machine.
  const files = await readdir(join(dataDir, "machines")).catch(() => []);
  return [...processes.map((pid) => `process ${pid}`), ...files.map((name) => `file ${name}`)];
}

/** A process of its own that provisions a machine, to be killed. */
export function holdMachine(
  dataDir: string,
  id: string,
): { says(words: string): Promise<void>; kill(): void; readonly said: () => string } {
  const script = join(import.meta.dirname, "hold-qemu-machine.ts");
  const holder = spawn(process.execPath, [script, dataDir, id], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  holder.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return {
    says: async (words) => {
      while (!said.includes(words)) await once(holder.stdout, "data");
    },
    kill: () => void holder.kill("SIGKILL"),
    said: () => said,
  };
}
