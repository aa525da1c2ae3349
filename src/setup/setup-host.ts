/**
 * Makes this host ready: packages, guest image, and what each provider needs. Every part is safe to do again and then takes
 * milliseconds. What cannot be had is named with its fix and does not keep the rest from being done.
 */
import { access, constants } from "node:fs/promises";
import { EngineError } from "../lib/engine-error.ts";
import { buildImage, imageBuildPackages } from "../image/build-image.ts";
import { defaultDefinition, readDefinition } from "../image/definition.ts";
import { findImage } from "../image/image-store.ts";
import type { Image } from "../image/image-store.ts";
import { prepareKernel } from "../image/kernel.ts";
import { prepareDisks } from "../image/squashfs.ts";
import type { GvisorSettings } from "../provider/gvisor/prepare.ts";
import { prepareTemplate as prepareGvisorTemplate } from "../provider/gvisor/provider.ts";
import { probeKvm } from "../provider/qemu/kvm-probe.ts";
import type { QemuProviderOptions } from "../provider/qemu/prepare.ts";
import { prepareTemplate } from "../provider/qemu/provider.ts";
import type { MachineSpec } from "../provider/provider.ts";
import { qemuPackages, readQemuVersion } from "../provider/qemu/probe.ts";
import { ensurePackages } from "./apt.ts";
import { setupGvisor } from "./gvisor.ts";

export interface SetupOptions {
  readonly dataDir: string;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
  /** What machines are made of and like on this host: a template of them is made ahead. Undefined: by the first that needs it. */
  readonly machines?: () => Promise<{
    readonly options: Pick<QemuProviderOptions, "agentBundle" | "cgroups"> &
      Pick<GvisorSettings, "runDir" | "searchPath" | "uid">;
    readonly spec: MachineSpec;
  }>;
}

/** `best`: what this host runs machines with when none is named. `all`: everything it can. */
export type SetupWish = "best" | "all" | "qemu";

/** Throws SETUP_FAILED or IMAGE_BUILD_FAILED, the first of them, when what was wished for is not there at the end. */
export async function setupHost(wish: SetupWish, options: SetupOptions): Promise<void> {
  await ensurePackages(["git"], options);
  switch (wish) {
    case "qemu":
      return setupQemu(options);
    case "all":
      return inTurn([() => setupGvisorAndImage(options), () => setupQemu(options)], options);
    case "best":
      if (await kvmWorks(options)) return setupQemu(options);
      options.progress("no working KVM here: gVisor");
      return setupGvisorAndImage(options).catch(async (error: unknown) => {
        if (!(error instanceof EngineError) || error.code !== "SETUP_FAILED") throw error;
        options.progress(describe(error));
        options.progress("no gVisor here: QEMU with emulation, which is slow and no security boundary");
        await setupQemu(options);
      });
  }
}

/** From a definition file, else the default one; with QEMU on this host also its kernel and disks. */
export async function setupImage(definitionFile: string | undefined, options: SetupOptions): Promise<Image> {
  await ensurePackages(imageBuildPackages, options);
  const definition = definitionFile === undefined ? defaultDefinition : await readDefinition(definitionFile);
  const image = await buildImage(definition, options);
  if ((await readQemuVersion()) !== undefined) {
    await prepareKernel(options);
    await prepareDisks(image, options);
  }
  return image;
}

async function setupGvisorAndImage(options: SetupOptions): Promise<void> {
  await setupGvisor({ ...options, binary: undefined });
  await setupImage(undefined, options);
  await makeGvisorTemplate(options);
}

/** As `setupGvisor`; where the image is there already, with the template of its machines. */
export async function setupGvisorAlone(
  binary: string | undefined,
  options: SetupOptions,
): ReturnType<typeof setupGvisor> {
  const runsc = await setupGvisor({ ...options, binary });
  if ((await findImage(options.dataDir)) !== undefined) await makeGvisorTemplate(options);
  return runsc;
}

async function makeGvisorTemplate(options: SetupOptions): Promise<void> {
  if (options.machines === undefined) return;
  const { options: host, spec } = await options.machines();
  await prepareGvisorTemplate({ ...options, ...host }, spec, options.signal);
}

async function setupQemu(options: SetupOptions): Promise<void> {
  await ensurePackages(qemuPackages, options);
  await setupImage(undefined, options);
  if (options.machines === undefined) return;
  const { options: host, spec } = await options.machines();
  const accelerator = (await kvmWorks(options)) ? "kvm" : "tcg";
  await prepareTemplate({ ...options, ...host, accelerator }, spec, options.signal);
}

/** Only a guest that boots is proof; where there is not even the device, nothing is installed to find out. */
async function kvmWorks(options: SetupOptions): Promise<boolean> {
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  options.progress("/dev/kvm is there: trying whether a guest boots under it");
  try {
    await ensurePackages(qemuPackages, options);
    const qemuVersion = await readQemuVersion();
    if (qemuVersion === undefined) return false;
    const answer = await probeKvm({ dataDir: options.dataDir, kernel: await prepareKernel(options), qemuVersion });
    if (!answer.works) options.progress(`KVM does not work: ${answer.reason}`);
    return answer.works;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    options.progress(`KVM cannot be tried: ${describe(error)}`);
    return false;
  }
}

function describe({ message, hint }: EngineError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}

async function inTurn(parts: readonly (() => Promise<void>)[], { progress }: SetupOptions): Promise<void> {
  const failures: EngineError[] = [];
  for (const part of parts) {
    try {
      await part();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      failures.push(error);
      progress(`failed: ${describe(error)}`);
    }
  }
  const [first] = failures;
  if (first !== undefined) throw first;
}
