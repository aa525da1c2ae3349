/**
 * The guest kernel: Debian's cloud kernel, downloaded and taken apart, never installed. Kept below `kernels/` under a name made of
 * its package's version and what we take from it, so a kernel once prepared stays as it was and is found again in a millisecond.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { runCommand } from "../lib/run-command.ts";
import { compressionOf, decompress } from "./decompress.ts";
import { BOOT_MODULES, loadInOrder, moduleName } from "./kernel-modules.ts";
import { extractVmlinux } from "./vmlinux.ts";

export interface Kernel {
  /** Of the package, such as `6.1.0-56-cloud-amd64_6.1.192-2`. */
  readonly version: string;
  /** ELF file with the PVH note. */
  readonly vmlinux: string;
  /** Holds `<module name>.ko`, not compressed. */
  readonly modulesDirectory: string;
}

export interface PrepareKernelOptions {
  readonly dataDir: string;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Depends on the newest kernel package; its own version says nothing. */
const META_PACKAGE = "linux-image-cloud-amd64";
const PREPARING = ".preparing-";

/**
 * The newest kernel that was prepared on this host; downloads one (27 MB) when there is none. Safe to call again and at the same
 * time. Throws SETUP_FAILED, or the signal's reason.
 */
export async function prepareKernel(options: PrepareKernelOptions): Promise<Kernel> {
  const { dataDir, progress, signal } = options;
  const existing = await findKernel(dataDir);
  if (existing !== undefined) return existing;
  await mkdir(kernelsDirectory(dataDir), { recursive: true });
  const onWait = () => progress("kernel: waiting for another process that prepares one");
  const lock = await lockFile(join(kernelsDirectory(dataDir), ".lock"), onWait, signal);
  try {
    return (await findKernel(dataDir)) ?? (await downloadKernel(options));
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** Undefined when none was prepared, or only by a release of ours that took other modules. */
export async function findKernel(dataDir: string): Promise<Kernel | undefined> {
  const directories = await readdir(kernelsDirectory(dataDir)).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
  const usable = directories.filter((name) => !name.startsWith(".") && name.endsWith(`-${recipeDigest()}`));
  const newest = usable.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
  return newest === undefined ? undefined : kernelAt(join(kernelsDirectory(dataDir), newest));
}

function kernelsDirectory(dataDir: string): string {
  return join(dataDir, "kernels");
}

function kernelAt(directory: string): Kernel {
  const name = basename(directory);
  return {
    version: name.slice(0, name.lastIndexOf("-")),
    vmlinux: join(directory, "vmlinux"),
    modulesDirectory: join(directory, "modules"),
  };
}

/** Changes when we begin to take other things out of the package. */
function recipeDigest(): string {
  return createHash("sha256").update(JSON.stringify(BOOT_MODULES)).digest("hex").slice(0, 8);
}

async function downloadKernel({ dataDir, progress, signal }: PrepareKernelOptions): Promise<Kernel> {
  if (process.arch !== "x64") {
    throw new EngineError("SETUP_FAILED", `Cannot prepare a guest kernel for ${process.arch}: only x64 is known`);
  }
  await removeAbandoned(dataDir);
  // In the same directory, so that the rename at the end stays on one file system.
  const scratch = await mkdtemp(join(kernelsDirectory(dataDir), PREPARING));
  try {
    const deb = await downloadPackage(scratch, progress, signal);
    progress(`kernel: unpacking ${basename(deb)}`);
    const unpacked = join(scratch, "unpacked");
    await must(["dpkg-deb", "-x", deb, unpacked], { cwd: scratch, signal });
    const ready = join(scratch, "ready");
    await takeApart(unpacked, ready, signal);
    const directory = join(kernelsDirectory(dataDir), `${packageVersion(deb)}-${recipeDigest()}`);
    await rename(ready, directory);
    const kernel = kernelAt(directory);
    progress(`kernel: ${kernel.version} ready`);
    return kernel;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Returns the path of the .deb. Tries apt's own lists first, and fresh ones of ours when they lack the package or are too old. */
async function downloadPackage(
  scratch: string,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const attempt = async (aptOptions: readonly string[]): Promise<string> => {
    const name = await resolvePackage(scratch, aptOptions, signal);
    progress(`kernel: downloading ${name} (cloud)`);
    await must(["apt-get", ...aptOptions, "download", name], { cwd: scratch, signal });
    const deb = (await readdir(scratch)).find((file) => file.startsWith(name) && file.endsWith(".deb"));
    if (deb === undefined) throw new Error(`apt-get downloaded no ${name}`);
    return join(scratch, deb);
  };
  try {
    return await attempt([]);
  } catch {
    signal.throwIfAborted();
    progress("kernel: reading Debian's package lists");
    const lists = join(scratch, "lists");
    await mkdir(join(lists, "partial"), { recursive: true });
    const own = ["-o", `Dir::State::lists=${lists}`, "-o", `Dir::Cache=${join(scratch, "cache")}`];
    try {
      await must(["apt-get", ...own, "update"], { cwd: scratch, signal });
      return await attempt(own);
    } catch (error) {
      signal.throwIfAborted();
      throw new EngineError("SETUP_FAILED", `Cannot download Debian's package ${META_PACKAGE}: ${lastLine(error)}`, {
        cause: error,
        hint: "a guest kernel needs apt with Debian's package sources: check /etc/apt/sources.list.d and the network",
      });
    }
  }
}

async function resolvePackage(scratch: string, aptOptions: readonly string[], signal: AbortSignal): Promise<string> {
  const { stdout } = await must(["apt-cache", ...aptOptions, "depends", META_PACKAGE], { cwd: scratch, signal });
  const name = /^\s*Depends: (linux-image-[a-z0-9.+-]+)$/m.exec(stdout)?.[1];
  if (name === undefined) throw new Error(`${META_PACKAGE} depends on no kernel package`);
  return name;
}

async function takeApart(unpacked: string, ready: string, signal: AbortSignal): Promise<void> {
  const files = await readdir(unpacked, { recursive: true });
  const bzImage = files.find((file) => file.startsWith("boot/vmlinuz-"));
  if (bzImage === undefined) throw new Error("The kernel package holds no boot/vmlinuz");
  const moduleFiles = new Map(
    files
      .filter((file) => /\.ko(\.\w+)?$/.test(file))
      .map((file) => [moduleName(basename(file)), join(unpacked, file)]),
  );
  const wanted = [...new Set(Object.values(BOOT_MODULES).flat())];
  const modules = await loadInOrder(wanted, async (name) => {
    const file = moduleFiles.get(name);
    if (file === undefined) throw new Error(`The kernel package holds no module ${name}`);
    const bytes = await readFile(file);
    const program = compressionOf(bytes);
    return program === undefined ? bytes : await decompress(program, bytes, signal);
  });
  await mkdir(join(ready, "modules"), { recursive: true });
  for (const [name, content] of modules) await writeFile(join(ready, "modules", `${name}.ko`), content);
  await writeFile(join(ready, "vmlinux"), await extractVmlinux(await readFile(join(unpacked, bzImage)), signal));
}

/** `linux-image-6.1.0-56-cloud-amd64_6.1.192-2_amd64.deb` -> `6.1.0-56-cloud-amd64_6.1.192-2`. */
function packageVersion(deb: string): string {
  return basename(deb)
    .replace(/^linux-image-/, "")
    .replace(/_[^_]*\.deb$/, "")
    .replaceAll(/[^\w.+~-]/g, "-");
}

/** Under the lock, what is still being prepared belongs to a process that was killed. */
async function removeAbandoned(dataDir: string): Promise<void> {
  const names = await readdir(kernelsDirectory(dataDir));
  const abandoned = names.filter((name) => name.startsWith(PREPARING));
  for (const name of abandoned) await rm(join(kernelsDirectory(dataDir), name), { recursive: true, force: true });
}

async function must(
  argv: readonly string[],
  options: { readonly cwd: string; readonly signal: AbortSignal },
): Promise<{ readonly stdout: string }> {
  // Package tools translate their output; what we parse must be in the language we know.
  const result = await runCommand(["env", "LC_ALL=C", ...argv], options);
  if (result.code === 0) return result;
  throw new Error(`${argv[0]} ended with ${result.code}: ${result.stderr.trim()}`);
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trimEnd().split("\n").at(-1) ?? text;
}
