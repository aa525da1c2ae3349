/**
 * The images of this host: one directory each under `<dataDir>/images`, named for the definition's name and digest, whole or
 * absent (`build-image.ts` renames a finished one into place). `image.json` is written last and read here.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { array, iso, int, literal, object, safeParse, string } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";
import { runCommand } from "../lib/run-command.ts";
import { defaultDefinition } from "./definition.ts";
import { ownUid, rootPrefix } from "./root-in-namespace.ts";

const Manifest = object({
  format: literal(1),
  name: string(),
  digest: string(),
  labels: array(string()),
  hostname: string(),
  builtAt: iso.datetime(),
  sizeBytes: int(),
});

export interface Image {
  readonly name: string;
  /** 64 hex digits over definition, builder and architecture. */
  readonly digest: string;
  readonly labels: readonly string[];
  readonly hostname: string;
  readonly directory: string;
  /** The guest's root as a directory tree. Never written to after the build. */
  readonly rootfs: string;
  /** Holds `node24/bin/node` and npm; the guest's /opt/externals. */
  readonly externals: string;
  readonly builtAt: Date;
  /** Root and externals as directories. */
  readonly sizeBytes: number;
}

export function imagesDirectory(dataDir: string): string {
  return join(dataDir, "images");
}

export function imageDirectory(dataDir: string, name: string, digest: string): string {
  return join(imagesDirectory(dataDir), `${name}-${digest.slice(0, 12)}`);
}

/** Newest first. Builds under way are not listed. */
export async function listImages(dataDir: string): Promise<readonly Image[]> {
  const names = await readdir(imagesDirectory(dataDir)).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const directories = names.filter((name) => !name.startsWith(".")).map((name) => join(imagesDirectory(dataDir), name));
  const images = await Promise.all(directories.map(readImage));
  return images.filter((image) => image !== undefined).toSorted((a, b) => b.builtAt.getTime() - a.builtAt.getTime());
}

/** The newest image of that name, or the one whose directory is called so; of the default definition's name when none is given. */
export async function findImage(dataDir: string, name: string = defaultDefinition.name): Promise<Image | undefined> {
  const images = await listImages(dataDir);
  return images.find((image) => image.name === name || image.directory === join(imagesDirectory(dataDir), name));
}

/** As `findImage`. Throws `EngineError` IMAGE_MISSING with the command that makes one. */
export async function requireImage(dataDir: string, name: string | undefined): Promise<Image> {
  const image = await findImage(dataDir, name);
  if (image !== undefined) return image;
  // A run's record keeps the message alone: what to do stands in it.
  const [which, fix] =
    name === undefined
      ? ["guest image", "hearth image build"]
      : [`guest image '${name}'`, `hearth image build DEFINITION.json, where the definition's name is ${name}`];
  throw new EngineError("IMAGE_MISSING", `Cannot start a machine: there is no ${which} in ${dataDir}: ${fix}`, {
    hint: fix,
  });
}

/** The caller sees to it that no machine runs from it. Removing twice is safe. */
export async function removeImage(image: Image): Promise<void> {
  // Without its manifest it is no longer an image, should we be interrupted in the middle.
  await rm(join(image.directory, "image.json"), { force: true });
  await removeTree(image.directory);
}

/** Undefined when there is no finished image in that directory. */
export async function readImage(directory: string): Promise<Image | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, "image.json"), "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const manifest = safeParse(Manifest, parseJson(text));
  // Of another version of Hearth, or damaged: not something to start a machine from.
  if (!manifest.success) return undefined;
  const { name, digest, labels, hostname, builtAt, sizeBytes } = manifest.data;
  return {
    name,
    digest,
    labels,
    hostname,
    directory,
    rootfs: join(directory, "rootfs"),
    externals: join(directory, "externals"),
    builtAt: new Date(builtAt),
    sizeBytes,
  };
}

export async function writeManifest(
  directory: string,
  facts: Pick<Image, "name" | "digest" | "labels" | "hostname" | "builtAt" | "sizeBytes">,
): Promise<void> {
  const manifest = { format: 1, ...facts, builtAt: facts.builtAt.toISOString() };
  await writeFile(join(directory, "image.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Files of an image belong to many users: what an ordinary user cannot remove is removed from inside a user namespace, which
 * not every host grants and which a tree of one's own does not need.
 */
export async function removeTree(directory: string): Promise<void> {
  const remove = ["rm", "--recursive", "--force", "--one-file-system", directory];
  if ((await runCommand(remove)).code === 0) return;
  const result = await runCommand([...rootPrefix(ownUid()), ...remove]);
  if (result.code === 0) return;
  throw new EngineError("IMAGE_BUILD_FAILED", `Cannot remove ${directory}: ${result.stderr.trim()}`);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
