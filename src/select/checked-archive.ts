/** Reads an action's archive entry by entry through `ArchiveCheck`, and writes it anew: what comes out holds only what was checked. */
import { Readable } from "node:stream";
import { createTarDecoder, createTarPacker } from "modern-tar";
import type { ParsedTarEntry } from "modern-tar";
import { ARCHIVE_LIMITS, ArchiveCheck } from "../action/archive-check.ts";
import { ByteLimit } from "../lib/byte-limit.ts";
import { EngineError } from "../lib/engine-error.ts";

/** `directory` is the one around everything, which is taken off; undefined for none. */
export interface ArchiveSource {
  readonly tar: Readable;
  readonly directory: string | undefined;
  /** For messages. */
  readonly label: string;
}

/** A tar stream; it fails with ACTION_UNAVAILABLE and the entry's name where the archive is refused. */
export function checkedArchive(source: ArchiveSource): Readable {
  const { readable, controller } = createTarPacker();
  const write = async (): Promise<void> => {
    for await (const { header, body } of checkedEntries(source)) await body.pipeTo(controller.add(header));
    controller.finalize();
  };
  write().catch((error: unknown) => controller.error(error));
  return Readable.fromWeb(readable);
}

/** Each entry's body must be read or cancelled before the next is asked for. */
export async function* checkedEntries({ tar, directory, label }: ArchiveSource): AsyncGenerator<ParsedTarEntry> {
  const check = new ArchiveCheck(directory);
  const limited = tar.pipe(new ByteLimit(MAX_STREAM_BYTES));
  tar.once("error", (error) => limited.destroy(error));
  try {
    for await (const { header, body } of Readable.toWeb(limited).pipeThrough(createTarDecoder({ strict: true }))) {
      const { name, linkname, size, type = "file" } = header;
      const verdict = check.check({ name, type, linkname, sizeBytes: size });
      if (verdict.kind === "refused") {
        throw refusal(label, `entry ${JSON.stringify(name.slice(0, 256))}: ${verdict.reason}`);
      }
      if (verdict.kind === "root") {
        await body.cancel();
        continue;
      }
      yield { header: headerOf(verdict, header), body };
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw refusal(label, error instanceof Error ? error.message : String(error), error);
  } finally {
    tar.destroy();
    limited.destroy();
  }
}

/** Nothing but what a file needs: no owner, no set-user-id, no attributes. */
function headerOf(
  { name, linkname }: { readonly name: string; readonly linkname: string | undefined },
  { size, type = "file", mode = 0o644, mtime }: ParsedTarEntry["header"],
): ParsedTarEntry["header"] {
  const isDirectory = type === "directory";
  return {
    name: isDirectory ? `${name}/` : name,
    size: type === "file" ? size : 0,
    type,
    mode: isDirectory || (mode & 0o100) !== 0 ? 0o755 : 0o644,
    ...(mtime === undefined ? {} : { mtime }),
    ...(linkname === undefined ? {} : { linkname }),
  };
}

function refusal(label: string, reason: string, cause?: unknown): EngineError {
  return new EngineError("ACTION_UNAVAILABLE", `Cannot use the archive of ${label}: ${reason}`, { cause });
}

/** Headers and padding counted in: neither stands in the sizes that entries say. */
const MAX_STREAM_BYTES = 2 * ARCHIVE_LIMITS.totalBytes;
