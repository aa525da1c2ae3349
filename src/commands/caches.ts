/** `hearth caches list|rm`: what workflows have cached on this host. */
import { mebibytes, minuteText } from "./cell-text.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface CachesListOptions {
  readonly json?: boolean;
}

export async function listCaches(
  { caches }: Hearth,
  { out, err }: Terminal,
  { json }: CachesListOptions,
): Promise<ExitCode> {
  const found = await caches.list();
  if (json === true) out.write(`${JSON.stringify(found, undefined, 2)}\n`);
  else if (found.length === 0) err.write("No caches yet: a workflow makes them with actions/cache.\n");
  else {
    const rows = found.map(({ id, repository, scope, key, sizeBytes, usedAt }) =>
      [String(id), repository, scope, sizeText(sizeBytes), minuteText(usedAt), key].map(plainText),
    );
    writeTable(out, ["ID", "REPOSITORY", "REF", "SIZE", "USED", "KEY"], rows);
  }
  return exitCode.success;
}

/** Each name is an id, or a key, which may belong to several entries. */
export async function removeCaches({ caches }: Hearth, { err }: Terminal, names: readonly string[]): Promise<ExitCode> {
  const found = await caches.list();
  const wanted = names.map((name) => found.filter(({ id, key }) => String(id) === name || key === name));
  const missing = names.filter((_, index) => wanted[index]?.length === 0);
  if (missing.length > 0) {
    err.write(`No cache has the id or key ${missing.map(plainText).join(", ")}: hearth caches list\n`);
    return exitCode.usage;
  }
  const removed = new Set(wanted.flat());
  await caches.remove([...removed].map(({ id }) => id));
  const bytes = [...removed].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  err.write(`removed ${counted(removed.size, "cache")}, ${sizeText(bytes)}\n`);
  return exitCode.success;
}

function sizeText(sizeBytes: number): string {
  return sizeBytes < 1024 ** 2 ? "<1 MiB" : mebibytes(sizeBytes);
}
