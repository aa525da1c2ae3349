/**
 * Makes the guest's root file system and the externals beside it: Debian packages by mmdebstrap, Node and npm from the npm
 * registry. As root directly; as an ordinary user in a user namespace (`root-in-namespace.ts`). One tree serves every
 * provider: gVisor takes it as a directory.
 *
 * An image is built in a hidden directory and renamed into place, so there is never half of one; its name holds the digest of
 * all that went in, so a second build of the same definition finds the first.
 */
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { runCommand } from "../lib/run-command.ts";
import { aptAcquireOptions, aptSources } from "./apt-sources.ts";
import { customiseScript } from "./customise.ts";
import { definitionDigest } from "./definition.ts";
import type { ImageDefinition } from "./definition.ts";
import type { Image } from "./image-store.ts";
import { imageDirectory, imagesDirectory, readImage, removeTree, writeManifest } from "./image-store.ts";
import { ownUid, rootPrefix } from "./root-in-namespace.ts";

export interface BuildOptions {
  readonly dataDir: string;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What a Debian host needs for a build; `setup/apt.ts` installs what is missing. */
export const imageBuildPackages: readonly string[] = [
  "mmdebstrap",
  "uidmap",
  "debian-archive-keyring",
  "tar",
  "util-linux",
];

/**
 * Returns at once when the image is there. Two builders of one host take turns. Throws `EngineError` IMAGE_BUILD_FAILED, or the
 * signal's reason; then nothing but the npm cache is left.
 */
export async function buildImage(definition: ImageDefinition, options: BuildOptions): Promise<Image> {
  const { dataDir, progress, signal } = options;
  const digest = definitionDigest(definition, process.arch);
  const directory = imageDirectory(dataDir, definition.name, digest);
  const existing = await readImage(directory);
  if (existing !== undefined) return existing;

  const images = imagesDirectory(dataDir);
  await mkdir(images, { recursive: true });
  const onWait = () => progress("waiting for another process that builds an image");
  const lock = await lockFile(join(images, ".lock"), onWait, signal);
  try {
    return (await readImage(directory)) ?? (await buildInto(directory, definition, digest, options));
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** The caller holds the lock. */
async function buildInto(
  directory: string,
  definition: ImageDefinition,
  digest: string,
  { dataDir, progress, signal }: BuildOptions,
): Promise<Image> {
  const images = imagesDirectory(dataDir);
  await removeAbandoned(images);
  const building = join(images, `.building-${process.pid}`);
  await mkdir(building);
  try {
    await both(signal, [
      (half) => buildRootfs(definition, building, { progress, signal: half }),
      (half) => fetchExternals(join(building, "externals"), { progress, signal: half }),
    ]);
    const sizeBytes = await treeSize(building, signal);
    const { name, labels, hostname } = definition;
    await writeManifest(building, { name, digest, labels, hostname, builtAt: new Date(), sizeBytes });
    // A directory without a manifest may be in the way: what an interrupted removal left.
    await removeTree(directory);
    await rename(building, directory);
  } catch (error) {
    await removeTree(building);
    throw error;
  }
  const image = await readImage(directory);
  if (image === undefined) {
    throw new EngineError("IMAGE_BUILD_FAILED", `Image ${directory} vanished while it was built`);
  }
  return image;
}

type PartOptions = Pick<BuildOptions, "progress" | "signal">;

/** Resolves or rejects when neither half is running any more: what is half built can then be removed. */
async function both(signal: AbortSignal, halves: readonly ((signal: AbortSignal) => Promise<void>)[]): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const results = await Promise.allSettled(
    halves.map((half) =>
      half(either).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    ),
  );
  signal.throwIfAborted();
  if (results.some(({ status }) => status === "rejected")) throw failed.signal.reason;
}

async function buildRootfs(definition: ImageDefinition, building: string, options: PartOptions): Promise<void> {
  const { progress, signal } = options;
  const rootfs = join(building, "rootfs");
  const uid = ownUid();
  progress(`installing ${definition.packages.length} packages of Debian ${definition.suite}`);
  const osRelease = await readFile("/etc/os-release", "utf8");
  const sources = await aptSources("/etc/apt", osRelease, definition.suite);
  const acquire = await aptAcquireOptions();
  const mmdebstrap = (mode: string, target: string) => [
    "mmdebstrap",
    `--mode=${mode}`,
    "--variant=minbase",
    `--include=${definition.packages.join(",")}`,
    ...acquire.map((option) => `--aptopt=${option}`),
    ...unwantedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
    // The licences of what is installed stay.
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    `--customize-hook=${customiseScript(definition)}`,
    definition.suite,
    target,
    "-",
  ];
  const onLine = (line: string) => {
    // The hook's line would print the whole script.
    if (/^[IWE]: (?!running --)/.test(line)) progress(line.slice(3));
  };
  if (uid === 0) {
    await must("mmdebstrap", mmdebstrap("root", rootfs), { input: sources, onLine, signal });
    return;
  }
  const archive = join(building, "rootfs.tar");
  await must("mmdebstrap", mmdebstrap("unshare", archive), { input: sources, onLine, signal });
  await mkdir(rootfs);
  // Device nodes cannot be made in a user namespace, and every provider gives the guest a /dev of its own.
  const unpack = ["tar", "--extract", "--numeric-owner", "--same-permissions", "--exclude=./dev/*"];
  await must("tar", [...rootPrefix(uid), ...unpack, `--file=${archive}`, `--directory=${rootfs}`], { signal });
  await rm(archive);
}

const unwantedPaths: readonly string[] = [
  "/usr/share/man/*",
  "/usr/share/doc/*",
  "/usr/share/info/*",
  "/usr/share/locale/*",
  "/usr/share/lintian/*",
];

/** Node's binary and npm's own files come as npm packages: where npm works, this works, mirrors included. */
async function fetchExternals(externals: string, { progress, signal }: PartOptions): Promise<void> {
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const node24 = join(externals, "node24");
  const packages = [
    // Without the headers, 67 MB, which no JavaScript action needs.
    { spec: `node-linux-${arch}@24`, into: node24, members: ["package/bin", "package/LICENSE"] },
    { spec: "npm@11", into: join(node24, "lib/node_modules/npm"), members: [] },
    { spec: "corepack@0", into: join(node24, "lib/node_modules/corepack"), members: [] },
  ];
  progress("fetching Node 24 and npm for the guest");
  await Promise.all(
    packages.map(async ({ spec, into, members }) => {
      await mkdir(into, { recursive: true });
      const pack = ["npm", "pack", spec, "--silent", `--pack-destination=${externals}`];
      const { stdout } = await must("npm", pack, { signal, cwd: externals });
      const archive = join(externals, stdout.trim().split("\n").at(-1) ?? "");
      const unpack = ["tar", "--extract", "--no-same-owner", "--strip-components=1", `--file=${archive}`];
      await must("tar", [...unpack, `--directory=${into}`, ...members], { signal });
      await rm(archive);
    }),
  );
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", join(node24, "bin/npm"));
  await symlink("../lib/node_modules/npm/bin/npx-cli.js", join(node24, "bin/npx"));
  // Externals are read-only in the guest: global installs go where the runner may write and PATH looks.
  await writeFile(join(node24, "lib/node_modules/npm/npmrc"), "prefix=/usr/local\nupdate-notifier=false\n");
}

/** Under the lock, whatever is still being built belongs to a process that was killed. */
async function removeAbandoned(images: string): Promise<void> {
  const names = await readdir(images);
  for (const name of names.filter((entry) => entry.startsWith(".building-"))) await removeTree(join(images, name));
}

async function treeSize(directory: string, signal: AbortSignal): Promise<number> {
  const argv = [...rootPrefix(ownUid()), "du", "--summarize", "--block-size=1", directory];
  const { stdout } = await must("du", argv, { signal });
  return Number.parseInt(stdout, 10);
}

async function must(
  name: string,
  argv: readonly string[],
  options: Parameters<typeof runCommand>[1],
): Promise<{ stdout: string }> {
  try {
    const result = await runCommand(argv, options);
    if (result.code === 0) return result;
    const lastLines = result.stderr.trim().split("\n").slice(-8).join("\n");
    throw new EngineError(
      "IMAGE_BUILD_FAILED",
      `Cannot build the guest image: ${name} failed (${result.code})\n${lastLines}`,
    );
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    throw new EngineError("IMAGE_BUILD_FAILED", `Cannot build the guest image: ${name} is not installed`, {
      cause: error,
      hint: `sudo apt-get install ${imageBuildPackages.join(" ")}`,
    });
  }
}
