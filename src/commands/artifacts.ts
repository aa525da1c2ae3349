/** `hearth artifacts list|download`: what the jobs of a run have uploaded. */
import { resolve } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { mebibytes, minuteText } from "./cell-text.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { ArtifactSummary, Hearth } from "./hearth.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface ArtifactsListOptions {
  readonly json?: boolean;
}

export interface ArtifactsDownloadOptions {
  readonly output?: string;
}

export async function listArtifacts(
  hearth: Hearth,
  { out, err }: Terminal,
  prefix: string | undefined,
  { json }: ArtifactsListOptions,
): Promise<ExitCode> {
  const { run, found } = await findArtifacts(hearth, prefix);
  if (json === true) out.write(`${JSON.stringify(found, undefined, 2)}\n`);
  else if (found.length === 0) err.write(`Run ${run} has no artifacts.\n`);
  else {
    const rows = found.map((artifact) => row(artifact).map(plainText));
    writeTable(out, ["ID", "SIZE", "TYPE", "CREATED", "EXPIRES", "NAME"], rows);
  }
  return exitCode.success;
}

/** The newest of this name, into a new directory of its own. Throws RUN_NOT_FOUND, and BAD_USAGE where something is in its way. */
export async function downloadArtifact(
  hearth: Hearth,
  { err }: Terminal,
  prefix: string | undefined,
  name: string,
  { output }: ArtifactsDownloadOptions,
): Promise<ExitCode> {
  const { run, found } = await findArtifacts(hearth, prefix);
  const artifact = found.findLast((one) => one.name === name);
  if (artifact === undefined) {
    const names = [...new Set(found.map((one) => plainText(one.name)))].slice(0, 10);
    throw new EngineError("RUN_NOT_FOUND", `Run ${run} has no artifact ${plainText(name)}`, {
      hint: names.length === 0 ? "It has none." : `It has ${names.join(", ")}.`,
    });
  }
  const directory = resolve(output ?? artifact.name);
  await hearth.artifacts.save(artifact, directory);
  err.write(`saved ${plainText(artifact.name)} in ${plainText(directory)}\n`);
  return exitCode.success;
}

/** All attempts of a run share what they have uploaded. */
async function findArtifacts({ store, artifacts }: Hearth, prefix: string | undefined) {
  const { run, firstRun } = await store.find(prefix);
  return { run, found: await artifacts.list(firstRun ?? run) };
}

function row({ id, name, sizeBytes, mimeType, createdAt, expiresAt }: ArtifactSummary): string[] {
  return [String(id), size(sizeBytes), mimeType, minuteText(createdAt), expiresAt.slice(0, 10), name];
}

function size(sizeBytes: number): string {
  if (sizeBytes < 1024) return `${sizeBytes} B`;
  return sizeBytes < 1024 ** 2 ? `${Math.round(sizeBytes / 1024)} KiB` : mebibytes(sizeBytes);
}
