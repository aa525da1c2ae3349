/** What every machine needs before it can be started: found on this host. */
import { mkdir, realpath } from "node:fs/promises";
import { requireImage } from "../../image/image-store.ts";
import { findToolCache } from "../../image/tool-cache.ts";
import { EngineError } from "../../lib/engine-error.ts";
import type { MachineSpec } from "../provider.ts";
import { diskMibFor } from "./disk-space.ts";
import { overlaysDirectory } from "./machine-directory.ts";
import type { MachineContents, MachinePlaces } from "./machine-directory.ts";
import type { GvisorHost } from "./probe.ts";
import { findRunsc } from "./runsc.ts";
import type { Runsc } from "./runsc.ts";

export interface GvisorSettings extends GvisorHost, MachinePlaces {
  /** Told what takes long: a template being made. */
  readonly progress: (line: string) => void;
}

export interface Prepared extends MachineContents {
  readonly runsc: Runsc;
}

/** Throws what `provision` throws. */
export async function prepare(settings: GvisorSettings, spec: MachineSpec): Promise<Prepared> {
  const { dataDir } = settings;
  const overlays = overlaysDirectory(settings);
  await mkdir(overlays, { recursive: true, mode: 0o700 });
  const [runsc, image, tools, freeMib] = await Promise.all([
    requireRunsc(settings),
    requireImage(dataDir, spec.image),
    findToolCache(dataDir),
    diskMibFor(overlays, spec.id),
  ]);
  // runsc refuses a root that is reached through a symbolic link.
  const rootfs = await realpath(image.rootfs);
  return { runsc, image: { ...image, rootfs }, tools, diskMib: Math.min(settings.diskMib ?? Infinity, freeMib) };
}

async function requireRunsc(settings: GvisorSettings): Promise<Runsc> {
  const binary = await findRunsc(settings.dataDir, settings.searchPath);
  if (binary !== undefined) return { binary, uid: settings.uid };
  throw new EngineError("PROVIDER_UNAVAILABLE", "Cannot start a gVisor machine: runsc is not installed", {
    hint: "hearth setup gvisor",
  });
}
