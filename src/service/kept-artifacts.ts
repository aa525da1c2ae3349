/** The artifacts of this host for the person at the command line, and for what removes runs. */
import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { EngineError } from "../lib/engine-error.ts";
import { unzip } from "../lib/unzip.ts";
import { RefusedArchive } from "../lib/zip-entries.ts";
import { isZip } from "./artifact-name.ts";
import { hasArtifacts, openArtifactStore } from "./artifact-store.ts";
import type { Artifact, ArtifactStoreOptions } from "./artifact-store.ts";
import { createBlobStore, DamagedBlob } from "./blob-store.ts";
import type { BlobStore } from "./blob-store.ts";

/** Oldest first. Makes nothing where there was nothing. */
export async function listArtifacts(options: ArtifactStoreOptions, runId: string): Promise<readonly Artifact[]> {
  if (!hasArtifacts(options.stateDir)) return [];
  using store = openArtifactStore(options);
  return store.list({ runId });
}

/**
 * Into `directory`, which is new or empty: the files of an archive, or the one file that was uploaded as it was. All of it or nothing.
 * Throws STATE_UNREADABLE when it is not what was uploaded, ARCHIVE_REFUSED when it is not safe to unpack.
 */
export async function saveArtifact(options: ArtifactStoreOptions, id: number, directory: string): Promise<void> {
  const artifact = findArtifact(options, id);
  if (!(await isNewOrEmpty(directory))) {
    throw new EngineError("BAD_USAGE", `Cannot save ${artifact.name} in ${directory}: there is something already`, {
      hint: "Name a new directory with --output.",
    });
  }
  await mkdir(dirname(directory), { recursive: true });
  const partial = join(dirname(directory), `.${randomUUID()}.partial`);
  try {
    await copyChecked(blobsOf(options), artifact, partial);
    if (isZip(artifact.mimeType)) return await unzip(partial, directory);
    await mkdir(directory, { recursive: true });
    await rename(partial, join(directory, artifact.name));
  } catch (error) {
    throw inWords(error, artifact, directory);
  } finally {
    await rm(partial, { force: true });
  }
}

/** As it was uploaded; undefined when it is not kept any more. Breaks off where it is damaged. */
export async function readArtifact(
  options: ArtifactStoreOptions,
  id: number,
): Promise<{ readonly sizeBytes: number; readonly bytes: ReadableStream<Uint8Array> } | undefined> {
  if (!hasArtifacts(options.stateDir)) return undefined;
  using store = openArtifactStore(options);
  const artifact = store.find(id);
  const sealed = artifact && (await blobsOf(options).open({ container: "artifacts", name: artifact.blob }));
  if (sealed === undefined) return undefined;
  const bytes = Readable.toWeb(Readable.from(sealed.read(0, sealed.sizeBytes))) as ReadableStream<Uint8Array>;
  return { sizeBytes: sealed.sizeBytes, bytes };
}

export async function removeArtifactsOfRun(options: ArtifactStoreOptions, runId: string): Promise<void> {
  if (!hasArtifacts(options.stateDir)) return;
  using store = openArtifactStore(options);
  const blobs = blobsOf(options);
  for (const name of store.removeRun(runId)) await blobs.remove({ container: "artifacts", name });
}

function findArtifact(options: ArtifactStoreOptions, id: number): Artifact {
  using store = openArtifactStore(options);
  const artifact = store.find(id);
  if (artifact === undefined) throw new EngineError("STATE_UNREADABLE", `Artifact ${id} is not kept any more`);
  return artifact;
}

function blobsOf({ stateDir, now }: ArtifactStoreOptions): BlobStore {
  return createBlobStore({ directory: join(stateDir, "blobs"), now });
}

async function isNewOrEmpty(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return true;
    if (error instanceof Error && "code" in error && error.code === "ENOTDIR") return false;
    throw error;
  }
}

async function copyChecked(blobs: BlobStore, { blob, sha256 }: Artifact, to: string): Promise<void> {
  const sealed = await blobs.open({ container: "artifacts", name: blob });
  if (sealed === undefined) throw new DamagedBlob("it is not on the disk any more");
  const hash = createHash("sha256");
  await pipeline(
    sealed.read(0, sealed.sizeBytes),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(to, { flags: "wx" }),
  );
  if (hash.digest("hex") !== sha256) throw new DamagedBlob("its bytes are not those that were uploaded");
}

function inWords(cause: unknown, { name }: Artifact, directory: string): unknown {
  if (cause instanceof RefusedArchive) {
    return new EngineError("ARCHIVE_REFUSED", `Cannot unpack artifact ${name}: ${cause.message}`, { cause });
  }
  if (cause instanceof DamagedBlob) {
    return new EngineError("STATE_UNREADABLE", `Cannot read artifact ${name}: ${cause.message}`, { cause });
  }
  if (cause instanceof Error && "syscall" in cause) {
    return new EngineError("BAD_USAGE", `Cannot save artifact ${name} in ${directory}: ${cause.message}`, { cause });
  }
  return cause;
}
