/** Real gVisor machines for tests: the host's own runsc and image, set up when they are missing, and a run directory of their own. */
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { agentBundle } from "../../src/agent-bundle.ts";
import { buildImage } from "../../src/image/build-image.ts";
import { defaultDefinition } from "../../src/image/definition.ts";
import type { AgentClient } from "../../src/protocol/agent-client.ts";
import { findCgroupRoot, thisHost } from "../../src/provider/cgroup-root.ts";
import { processesOf } from "../../src/provider/gvisor/leftovers.ts";
import type { GvisorSettings } from "../../src/provider/gvisor/prepare.ts";
import type { MachineSpec } from "../../src/provider/provider.ts";
import { setupGvisor } from "../../src/setup/gvisor.ts";

const env = process.env;
export const dataDir = env["HEARTH_DATA"] ?? join(env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "hearth");

export interface GvisorFixture extends AsyncDisposable {
  readonly settings: GvisorSettings;
}

export async function gvisorFixture(): Promise<GvisorFixture> {
  const setUp = { dataDir, progress: () => undefined, signal: new AbortController().signal };
  await setupGvisor({ ...setUp, binary: undefined });
  await buildImage(defaultDefinition, setUp);
  const runDir = await mkdtemp(join(tmpdir(), "hearth-test-run-"));
  return {
    settings: await gvisorSettings(runDir),
    [Symbol.asyncDispose]: async () => rm(runDir, { recursive: true }),
  };
}

export async function gvisorSettings(runDir: string): Promise<GvisorSettings> {
  return {
    dataDir,
    runDir,
    agentBundle: await agentBundle(dataDir),
    searchPath: env["PATH"] ?? "",
    uid: process.getuid?.() ?? 0,
    cgroups: await findCgroupRoot(await thisHost()),
    progress: () => undefined,
  };
}

export function machineSpec(id: string): MachineSpec {
  return { id, cpus: 2, memoryMib: 2048, certificateAuthorities: undefined, image: undefined };
}

export interface ShellResult {
  readonly code: number | null;
  readonly output: string;
}

let execs = 0;

/** Runs `bash -e -c script` as the runner, or as root, and gives both streams as one text. */
export async function shell(
  agent: AgentClient,
  script: string,
  user: "runner" | "root" = "runner",
): Promise<ShellResult> {
  const { env: environment } = await agent.ready();
  let output = "";
  const request = {
    id: `exec-${++execs}`,
    argv: ["bash", "-e", "-c", script],
    env: environment,
    cwd: "/",
    user,
    write: [],
    read: [],
  };
  const { code } = await agent.exec(request, (_, chunk) => {
    output += chunk.toString();
  });
  return { code, output: output.trim() };
}

/** As an administrator or the kernel's memory killer would: the process that holds the guest, and only that one. */
export async function killSandbox({ settings }: GvisorFixture, id: string): Promise<void> {
  const processes = await processesOf(join(settings.runDir, id));
  const sandbox = processes.find((entry) => entry.arguments.startsWith("runsc-sandbox"));
  if (sandbox === undefined) throw new Error(`no sandbox process of machine ${id}`);
  process.kill(sandbox.pid, "SIGKILL");
}
