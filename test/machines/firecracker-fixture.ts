/**
 * Firecracker's provider with the fake Firecracker behind it, whose guests are emulated by QEMU: the host's own image and kernel, and a
 * place of its own for everything else.
 */
import { chmod, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { agentBundle } from "../../src/agent-bundle.ts";
import { buildImage } from "../../src/image/build-image.ts";
import { defaultDefinition } from "../../src/image/definition.ts";
import { prepareKernel } from "../../src/image/kernel.ts";
import { prepareDisks } from "../../src/image/squashfs.ts";
import { runCommand } from "../../src/lib/run-command.ts";
import type { FirecrackerProviderOptions } from "../../src/provider/firecracker/provider.ts";
import { setupFirecracker } from "../../src/setup/firecracker.ts";
import type { FakeKnobs } from "../firecracker-fake/knobs.ts";
import { writeFakePrograms } from "../firecracker-fake/programs.ts";

const env = process.env;
export const hostDataDir =
  env["HEARTH_DATA"] ?? join(env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "hearth");

export interface FirecrackerFixture extends AsyncDisposable {
  readonly options: FirecrackerProviderOptions;
  /** The fake's processes really run under the machine's account. */
  readonly changesUser: boolean;
  /** Requests that the fake was sent, and the jailer's command lines. */
  requests(): Promise<readonly FakeRequest[]>;
}

export interface FakeRequest {
  readonly call?: string;
  readonly body?: unknown;
  readonly status?: number;
  readonly jailer?: readonly string[];
}

const isRoot = process.getuid?.() === 0;

export async function firecrackerFixture(knobs: Partial<FakeKnobs> = {}): Promise<FirecrackerFixture> {
  const setUp = { dataDir: hostDataDir, progress: () => undefined, signal: new AbortController().signal };
  await prepareDisks(await buildImage(defaultDefinition, setUp), setUp);
  await prepareKernel(setUp);
  const dataDir = await mkdtemp(join(tmpdir(), "hearth-test-firecracker-"));
  // What a jail does by itself: the machine's account comes to its directory, and sees nothing else here.
  await chmod(dataDir, 0o711);
  for (const name of ["images", "kernels"]) await symlink(join(hostDataDir, name), join(dataDir, name));
  const log = join(dataDir, "requests.jsonl");
  await writeFile(log, "", { mode: 0o666 });
  await chmod(log, 0o666);
  // The machine's account must be able to read the fake itself.
  const changesUser = isRoot && (await isOpenToAll(join(import.meta.dirname, "../firecracker-fake/firecracker.ts")));
  const fake = await writeFakePrograms(join(dataDir, "fake"), {
    version: "1.17.0",
    guest: "qemu",
    log,
    changesUser,
    ...knobs,
  });
  await setupFirecracker({ ...setUp, dataDir, binary: fake.firecracker, jailer: fake.jailer });
  return {
    changesUser,
    options: {
      dataDir,
      agentBundle: await agentBundle(hostDataDir),
      progress: () => undefined,
      uid: process.getuid?.() ?? 0,
      jailer: isRoot ? "required" : "off",
      // The fake needs no KVM, but the provider wants to see that it could be opened.
      device: "/dev/null",
      limits: { console: true, diskMibPerSecond: 512, diskOpsPerSecond: 20_000 },
      cgroupMount: "/sys/fs/cgroup",
      probeDeadlineMs: 120_000,
      startDeadlineMs: 180_000,
    },
    requests: async () =>
      (await readFile(log, "utf8"))
        .split("\n")
        .filter((line) => line !== "")
        .map((line): FakeRequest => JSON.parse(line)),
    [Symbol.asyncDispose]: async () => rm(dataDir, { recursive: true }),
  };
}

async function isOpenToAll(path: string): Promise<boolean> {
  const asNobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
  const read = ["sh", "-c", 'test -r "$1" && test -x "$0"', process.execPath, path];
  return (await runCommand([...asNobody, ...read])).code === 0;
}

/** Processes that belong to machines whose id begins so: Firecracker's own, its jailer's, and the guest behind the fake. */
export async function firecrackerProcesses(idPrefix: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    // Gone meanwhile: then it is not there.
    const argv = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
    const isVmm = argv.some((argument, index) => argument === "--id" && argv[index + 1]?.startsWith(idPrefix) === true);
    if (isVmm || argv.some((argument) => argument.startsWith(`hearth-${idPrefix}`))) found.push(Number(pid));
  }
  return found;
}

/** Processes, machines' directories, accounts, and guests that QEMU still runs in one of those directories. */
export async function firecrackerLeftovers(dataDir: string, idPrefix: string): Promise<string[]> {
  const names = (directory: string): Promise<string[]> => readdir(join(dataDir, directory)).catch(() => []);
  const accounts = (await names("accounts")).filter((name) => name !== ".lock");
  return [
    ...(await firecrackerProcesses(idPrefix)).map((pid) => `process ${pid}`),
    ...(await names("jail/firecracker")).map((name) => `directory ${name}`),
    ...accounts.map((name) => `account ${name}`),
  ];
}
