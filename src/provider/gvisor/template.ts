/**
 * A template of a machine: started, warmed and saved before any run. What it wrote before it was saved is in it; each copy writes
 * to a file of its own. No stranger's code has run in it. Source: docs/adr/0019.
 */
import { createHash } from "node:crypto";
import { readFile, readdir, stat } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { cpuModel } from "../../lib/cpu-model.ts";
import { connectAgent } from "../../protocol/connect-agent.ts";
import { rehearse } from "../../protocol/rehearse.ts";
import type { Filled, TemplateParts } from "../../template/template-store.ts";
import { saveSandbox } from "./checkpoint.ts";
import { machineConfig } from "./machine-directory.ts";
import { runArgv } from "./runsc.ts";
import { startMachine } from "./start-machine.ts";
import type { MachineRequest, StartedMachine } from "./start-machine.ts";

/** A warmed guest takes 16 MB. */
export const TEMPLATE_ROOM_BYTES = 2 ** 28;

/** The first of a checkout and of an action: what they read from the image is read once for all copies. */
const WARM_UP = ["git --version", "/opt/externals/node24/bin/node -e 0"];

export async function templateParts({ settings, spec, prepared }: MachineRequest): Promise<TemplateParts> {
  const { runsc, image, tools, diskMib } = prepared;
  const nowhere = { bundle: "", state: "", overlay: "", diskMib };
  return {
    provider: "gvisor",
    image: image.digest,
    // The same definition built again may be other packages.
    built: image.builtAt.toISOString(),
    runsc: await runscIdentity(runsc.binary),
    arguments: JSON.stringify(runArgv({ ...runsc, binary: "" }, nowhere)),
    bundle: JSON.stringify(machineConfig(settings, spec, prepared), withoutSources),
    cpus: String(spec.cpus),
    memory: String(spec.memoryMib),
    cpu: await cpuModel(),
    kernel: release(),
    agent: sha256(await readFile(settings.agentBundle)),
    certificates: spec.certificateAuthorities === undefined ? "none" : sha256(spec.certificateAuthorities),
    tools: tools === undefined ? "none" : await toolsIdentity(tools),
  };
}

/** The binary is 100 MB: its inode, size and time say as much as a hash of it, and cost nothing. */
export async function runscIdentity(binary: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(binary);
  return `${binary} ${ino} ${size} ${mtimeMs}`;
}

/** Fills a template's directory. Throws what starting throws; a sandbox that runs and cannot be saved is a value. */
export async function fillTemplate(request: MachineRequest, directory: string): Promise<Filled> {
  await using machine = await startMachine(request, undefined);
  await warmUp(machine);
  const { signal, prepared } = request;
  const reason = await saveSandbox(machine, { runsc: prepared.runsc, saveIn: directory, signal });
  return reason === undefined ? { kind: "made" } : { kind: "impossible", reason: `runsc cannot save it: ${reason}` };
}

/** Not every image has all of the programs. */
async function warmUp({ agent }: StartedMachine): Promise<void> {
  await using client = connectAgent(agent);
  const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/home/runner" };
  await rehearse(client, env);
  for (const [index, command] of WARM_UP.entries()) {
    const request = { id: `warm-up-${index}`, argv: command.split(" "), env, cwd: "/", user: "runner" as const };
    await client.exec({ ...request, write: [], read: [] }, () => undefined);
  }
}

/** Where things are on this host is another place for each machine, and nothing to the guest. */
function withoutSources(name: string, value: unknown): unknown {
  return name === "source" || name === "path" ? undefined : value;
}

/** Tools are put in place whole; one that was put there anew is another directory. */
async function toolsIdentity(directory: string): Promise<string> {
  const versions = await Promise.all(
    (await readdir(directory)).map(async (tool) =>
      (await readdir(join(directory, tool))).map((version) => join(directory, tool, version)),
    ),
  );
  const all = await Promise.all(
    versions
      .flat()
      .toSorted()
      .map(async (path) => {
        const { ino, mtimeMs } = await stat(path);
        return `${path} ${ino} ${mtimeMs}`;
      }),
  );
  return sha256(all.join("\n"));
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
