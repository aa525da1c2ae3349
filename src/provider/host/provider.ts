/**
 * Machines that are none: a directory on this host and the agent in this very process, for workflows that a person trusts as
 * much as their own shell. Nothing is isolated from anything; steps are this process's user, with its home and network.
 * Layout below one temporary directory, so that disposal can remove all of it but what steps wrote elsewhere.
 */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, realpath, symlink } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { hostEnvironment } from "../../guest/account.ts";
import { agentHandlers } from "../../guest/agent.ts";
import { removeTree } from "../../guest/files.ts";
import { killWhereEnvironment } from "../../guest/process-tree.ts";
import { claimDirectory, sweepAbandoned } from "../../lib/owned-directory.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { ownUserName } from "../../lib/own-user-name.ts";
import { offerAgent } from "../../protocol/in-process-agent.ts";
import type { Capabilities, Layout, Machine, MachineSpec, Provider } from "../provider.ts";

const ISOLATION = "none (host)";
const PREFIX = "hearth-host-";
const CAPABILITIES: Capabilities = { isolation: "none", checkpoint: false, containers: false, egress: false };

export interface HostSettings {
  /** What steps inherit, as they do from a self-hosted runner: the process's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where machines are made, and made itself when missing; the system's temporary directory unless a test says otherwise. */
  readonly directory?: string;
  /** Holds `<tool>/<version>/<arch>`; absent or empty: a machine has none. */
  readonly toolCache?: string;
}

export function hostProvider({ env, directory = tmpdir(), toolCache }: HostSettings): Provider {
  return {
    name: "host",
    capabilities: CAPABILITIES,
    probe: async () =>
      process.platform === "win32"
        ? { ok: false, reason: "Windows has no POSIX processes", fix: "run Hearth inside WSL 2" }
        : {
            ok: true,
            isolation: ISOLATION,
            detail: `steps run as ${ownUserName()} on this computer`,
          },
    provision: async (spec, signal) => {
      signal.throwIfAborted();
      if (spec.image !== undefined) {
        throw new EngineError(
          "IMAGE_MISSING",
          `Cannot start a machine from image '${spec.image}': there are no images on the host`,
          {
            hint: "Leave the image out, or use --provider gvisor or qemu.",
          },
        );
      }
      const root = await makeRoot(directory, spec);
      try {
        const layout = await makeLayout(root);
        if (toolCache !== undefined) await linkTools(toolCache, layout.toolCache);
        signal.throwIfAborted();
        return startMachine(spec.id, root, layout, hostEnvironment(env));
      } catch (error) {
        await removeRoot(root);
        throw error;
      }
    },
  };
}

function startMachine(id: string, root: string, layout: Layout, env: Record<string, string>): Machine {
  const agent = offerAgent(agentHandlers({ bootId: randomUUID(), env, runner: undefined, resetWithin: root }));
  let disposed: Promise<void> | undefined;
  const dispose = async (): Promise<void> => {
    agent.destroy();
    // Steps get paths below the root in their environment (RUNNER_TEMP, GITHUB_WORKSPACE), whatever else they are given.
    await killWhereEnvironment((entry) => entry.includes(root), { ownUserOnly: true });
    await removeRoot(root);
  };
  return {
    id,
    isolation: ISOLATION,
    capabilities: CAPABILITIES,
    layout,
    agent,
    egress: undefined,
    // The machine is this process: nobody is left to tell when it ends.
    lost: new Promise(() => undefined),
    [Symbol.asyncDispose]: () => (disposed ??= dispose()),
  };
}

async function makeRoot(directory: string, spec: MachineSpec): Promise<string> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // Resolved, because tools compare a workspace's path with what the kernel tells them.
    await sweepAbandoned(directory, PREFIX);
    const root = await realpath(await mkdtemp(join(directory, `${PREFIX}${spec.id}-`)));
    claimDirectory(root);
    return root;
  } catch (cause) {
    throw new EngineError("MACHINE_START_FAILED", `Cannot make a directory for machine ${spec.id} in ${directory}`, {
      cause,
    });
  }
}

/** The owner's name goes last: what a kill in between leaves is swept up by the next. */
async function removeRoot(root: string): Promise<void> {
  for (const name of ["work", "externals"]) await removeTree(join(root, name));
  await removeTree(root);
}

async function makeLayout(root: string): Promise<Layout> {
  const work = join(root, "work");
  const layout: Layout = {
    work,
    temp: join(work, "_temp"),
    actions: join(work, "_actions"),
    toolCache: join(work, "_tool"),
    home: homedir(),
    externals: join(root, "externals"),
    servicesUrl: undefined,
    proxyUrl: undefined,
  };
  for (const path of [layout.temp, layout.actions, layout.toolCache]) {
    await mkdir(path, { recursive: true });
  }
  const bin = join(layout.externals, "node24", "bin");
  await mkdir(bin, { recursive: true });
  await symlink(process.execPath, join(bin, "node"));
  return layout;
}

/**
 * Each version by itself, so that what a job installs beside them goes with the machine. What it writes into a tool stays there, as on
 * a self-hosted runner.
 */
async function linkTools(from: string, to: string): Promise<void> {
  for (const tool of await readdir(from).catch(() => [])) {
    await mkdir(join(to, tool));
    for (const version of await readdir(join(from, tool))) {
      await symlink(join(from, tool, version), join(to, tool, version));
    }
  }
}
