/**
 * The files of one machine on the host, in a directory of its own under the run directory and gone with it: sockets, bundle,
 * runsc's state. What the guest writes is in a file without a name, which runsc makes in a directory that all machines share
 * and which ends with the sandbox: under the data directory, because run directories are often in memory.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EngineError } from "../../lib/engine-error.ts";
import type { Image } from "../../image/image-store.ts";
import { claimDirectory, removeOwned, sweepAbandoned } from "../../lib/owned-directory.ts";
import { makeRunDirectory } from "../../lib/run-directory.ts";
import type { MachineSpec } from "../provider.ts";
import { channelMount, ociConfig, readOnlyMount } from "./bundle.ts";
import type { OciConfig } from "./bundle.ts";
import type { SandboxDirectories } from "./runsc.ts";

export interface MachineDirectory extends AsyncDisposable {
  readonly path: string;
  readonly agentSocket: string;
  readonly egressSocket: string;
  readonly sandbox: SandboxDirectories;
}

/** It says on the console how the agent ended (`loss.ts`). */
const INIT = ["/usr/bin/tini", "-v", "--"];
const NODE = "/opt/externals/node24/bin/node";
const CHANNEL = "/run/hearth";
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
/** In the machine's directory. */
const OWN_CERTIFICATES = "ca-certificates.crt";
const BOOT_ID = "boot-id";

const TOOLS = "/opt/hearth-tools";
/**
 * The tools where actions look for them, with a layer over them that jobs write to: it is in memory, because gVisor's overlay takes nothing
 * else above. The agent starts when this was done, or not at all.
 */
const coverTools = (sizeMib: number) => `mkdir -p /run/tools
mount -t tmpfs -o mode=755,size=${sizeMib}m tools /run/tools
mkdir -m 777 /run/tools/files /run/tools/work
mount -t overlay -o lowerdir=${TOOLS},upperdir=/run/tools/files,workdir=/run/tools/work tools /opt/hostedtoolcache
exec "$@"`;

export interface MachinePlaces {
  /** Machines live under it while they run. */
  readonly runDir: string;
  readonly dataDir: string;
  /** The guest agent as one file; its directory is all the guest sees of it. */
  readonly agentBundle: string;
  /** At most; undefined: what `disk-space.ts` says. */
  readonly diskMib?: number;
}

/** What a machine is shown of this host, and how much of its disk it gets. */
export interface MachineContents {
  readonly image: Image;
  /** The host's tools, if there are any. */
  readonly tools: string | undefined;
  readonly diskMib: number;
}

/** Readable by its owner alone. Throws `EngineError` MACHINE_START_FAILED when there is a machine of that id. */
export async function createMachineDirectory(
  places: MachinePlaces,
  spec: MachineSpec,
  contents: MachineContents,
): Promise<MachineDirectory> {
  const { runDir } = places;
  const path = join(runDir, spec.id);
  const under = (name: string) => join(path, name);
  await makeRunDirectory(runDir);
  await sweepAbandoned(runDir);
  await mkdir(path, { mode: 0o700 }).catch((cause: unknown) => {
    throw new EngineError("MACHINE_START_FAILED", `Cannot make the directory of machine ${spec.id}: ${path}`, {
      cause,
    });
  });
  const remove = async () => removeOwned(path);
  try {
    claimDirectory(path);
    await Promise.all(["channel", "bundle", "state"].map((name) => mkdir(under(name))));
    if (spec.certificateAuthorities !== undefined) {
      const own = await readFile(join(contents.image.rootfs, CERTIFICATES), "utf8");
      await writeFile(under(OWN_CERTIFICATES), `${own.trimEnd()}\n${spec.certificateAuthorities.trimEnd()}\n`);
    }
    await writeFile(under(BOOT_ID), `${randomUUID()}\n`);
    await writeFile(under("bundle/config.json"), JSON.stringify(machineConfig(places, spec, contents)));
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    path,
    agentSocket: under("channel/agent.sock"),
    egressSocket: under("channel/egress.sock"),
    sandbox: {
      bundle: under("bundle"),
      state: under("state"),
      overlay: overlaysDirectory(places),
      diskMib: contents.diskMib,
    },
    [Symbol.asyncDispose]: remove,
  };
}

/** Pure. What is mounted is in the machine's directory, which need not be there. */
export function machineConfig(
  { runDir, agentBundle }: Pick<MachinePlaces, "runDir" | "agentBundle">,
  spec: MachineSpec,
  { image, tools }: MachineContents,
): OciConfig {
  const under = (name: string) => join(runDir, spec.id, name);
  // As Linux does it.
  const tmpfsMib = Math.floor(spec.memoryMib / 2);
  // Threads of V8's own make every process that the agent starts a tenth slower to come.
  const agent = [NODE, "--single-threaded", `/opt/hearth/${basename(agentBundle)}`];
  return ociConfig({
    rootfs: image.rootfs,
    hostname: image.hostname,
    tmpfsMib,
    argv: [...INIT, ...(tools === undefined ? agent : ["/bin/sh", "-ec", coverTools(tmpfsMib), "sh", ...agent])],
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/root",
      LANG: "C.UTF-8",
      HEARTH_AGENT_SOCKET: `${CHANNEL}/agent.sock`,
      HEARTH_EGRESS_SOCKET: `${CHANNEL}/egress.sock`,
    },
    mounts: [
      readOnlyMount(image.externals, "/opt/externals"),
      readOnlyMount(dirname(agentBundle), "/opt/hearth"),
      channelMount(under("channel"), CHANNEL),
      // gVisor's own would be the same in all copies of a template.
      readOnlyMount(under(BOOT_ID), "/proc/sys/kernel/random/boot_id"),
      ...(spec.certificateAuthorities === undefined ? [] : [readOnlyMount(under(OWN_CERTIFICATES), CERTIFICATES)]),
      ...(tools === undefined ? [] : [readOnlyMount(tools, TOOLS)]),
    ],
  });
}

/** On the disk that holds the images, as what machines write may be much. */
export function overlaysDirectory({ dataDir }: Pick<MachinePlaces, "dataDir">): string {
  return join(dataDir, "overlays");
}
