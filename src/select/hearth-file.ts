/**
 * `hearth.yml` at the repository's root, if there is one. What it says is used whole or the command ends: a file that was
 * meant to send jobs elsewhere and is passed over would run them in the wrong place.
 */
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { EngineError } from "../lib/engine-error.ts";
import { isMissing } from "./directory-entry.ts";
import { EMPTY_HEARTH_FILE, parseHearthFile } from "./parse-hearth-file.ts";
import type { HearthFile } from "./parse-hearth-file.ts";
import { HEARTH_FILE } from "./settings-node.ts";

const MAX_BYTES = 1024 * 1024;
const MAX_SHOWN = 20;

/** Throws BAD_CONFIG with every fault, one a line, each with its place and what is allowed. */
export async function readHearthFile(root: string): Promise<HearthFile> {
  const path = join(root, HEARTH_FILE);
  const found = await lstat(path).catch((error: unknown) => {
    if (isMissing(error)) return;
    throw error;
  });
  if (found === undefined) return EMPTY_HEARTH_FILE;
  // A link could lead to any file of this host, and a pipe never ends.
  if (!found.isFile()) throw new EngineError("BAD_CONFIG", `Cannot use ${path}: it is no regular file`);
  if (found.size > MAX_BYTES)
    throw new EngineError("BAD_CONFIG", `Cannot use ${path}: it is larger than ${MAX_BYTES} bytes`);
  const result = parseHearthFile(await readFile(path, "utf8"));
  if (result.kind === "parsed") return result.file;
  const lines = result.diagnostics.map((diagnostic) => formatDiagnostic(diagnostic));
  const more = lines.length > MAX_SHOWN ? [`and ${lines.length - MAX_SHOWN} more`] : [];
  throw new EngineError("BAD_CONFIG", [`Cannot use ${path}:`, ...lines.slice(0, MAX_SHOWN), ...more].join("\n"));
}
