/** `hearth backup` and `hearth restore`: what a server knows, into one file and back. */
import { counted } from "./counted.ts";
import { mebibytes } from "./cell-text.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import type { BackupSummary } from "./server-door.ts";
import type { Terminal } from "./terminal.ts";

export async function backup({ server }: Hearth, { out }: Terminal, file: string): Promise<ExitCode> {
  out.write(`saved ${textOf(await server.backup(file))}\n`);
  return exitCode.success;
}

export async function restore(
  { server }: Hearth,
  { out }: Terminal,
  file: string,
  { force }: { readonly force?: boolean },
): Promise<ExitCode> {
  out.write(`restored ${textOf(await server.restore(file, force === true))}\n`);
  return exitCode.success;
}

function textOf({ file, runs, sizeBytes }: BackupSummary): string {
  return `${plainText(file)}  ${counted(runs, "run")}, ${mebibytes(sizeBytes)}`;
}
