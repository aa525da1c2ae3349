/** What every machine needs before it can be started: found on this host, or made once. */
import { readFile } from "node:fs/promises";
import { GUEST_LAYOUT } from "../../image/guest-layout.ts";
import { requireImage } from "../../image/image-store.ts";
import type { Image } from "../../image/image-store.ts";
import { baseInitrd, machineInitrd } from "../../image/initrd.ts";
import { prepareKernel } from "../../image/kernel.ts";
import type { Kernel } from "../../image/kernel.ts";
import { prepareDisks } from "../../image/squashfs.ts";
import type { ImageDisks } from "../../image/squashfs.ts";
import { prepareToolDisk } from "../../image/tool-cache.ts";
import type { CgroupRoot } from "../cgroup-root.ts";
import type { MachineSpec } from "../provider.ts";
import { requireQemu } from "./probe.ts";
import type { QemuHost } from "./probe.ts";

export interface QemuProviderOptions extends QemuHost {
  /** Path of the guest agent: one ES module. */
  readonly agentBundle: string;
  /** Told what takes long: a download, a disk being packed, a template being made. */
  readonly progress: (line: string) => void;
  /** Where machines' processes are limited; undefined: nowhere. */
  readonly cgroups: CgroupRoot | undefined;
}

export interface Prepared {
  readonly image: Image;
  readonly kernel: Kernel;
  readonly qemuVersion: string;
  readonly disks: ImageDisks;
  readonly tools: string | undefined;
  /** One after the other they are the machine's initial file system. */
  readonly archives: readonly Buffer[];
}

/** Throws what `provision` throws. */
export async function prepare(options: QemuProviderOptions, spec: MachineSpec, signal: AbortSignal): Promise<Prepared> {
  const { dataDir, progress } = options;
  const image = await requireImage(dataDir, spec.image);
  const kernel = await prepareKernel({ dataDir, progress, signal });
  const [qemuVersion, disks, tools, archives] = await Promise.all([
    requireQemu(options, kernel),
    prepareDisks(image, { progress, signal }),
    prepareToolDisk(dataDir, { progress, signal }),
    initialFileSystem(options.agentBundle, spec, kernel),
  ]);
  return { image, kernel, qemuVersion, disks, tools, archives };
}

async function initialFileSystem(agentBundle: string, spec: MachineSpec, kernel: Kernel): Promise<readonly Buffer[]> {
  const [agent, base] = await Promise.all([readFile(agentBundle), baseInitrd(kernel)]);
  const { certificateAuthorities } = spec;
  const { work, temp, actions } = GUEST_LAYOUT;
  return [base, machineInitrd({ agent, certificateAuthorities, directories: [work, temp, actions] })];
}
