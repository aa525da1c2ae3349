/** `hearth tools add|list|rm`: what setup actions find in machines without a network. */
import { mebibytes } from "./cell-text.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth, ToolSummary } from "./hearth.ts";
import { withInterrupt } from "./interrupt.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** One after another; those that were added stay when a later one fails. */
export async function addTools({ tools }: Hearth, terminal: Terminal, wishes: readonly string[]): Promise<ExitCode> {
  const { out, err } = terminal;
  await withInterrupt(terminal, async (signal) => {
    for (const wish of wishes) {
      const tool = await tools.add(wish, { progress: (line) => err.write(`${plainText(line)}\n`), signal });
      err.write(`${describe(tool)}\n`);
      out.write(`${plainText(tool.directory)}\n`);
    }
  });
  return exitCode.success;
}

export async function listTools({ tools }: Hearth, { out, err }: Terminal): Promise<ExitCode> {
  const found = await tools.list();
  if (found.length === 0) {
    err.write("No tools yet: `hearth tools add node@24 python@3.12 go@1.25` fetches some.\n");
    return exitCode.success;
  }
  const rows = found.map(({ name, version, arch, sizeBytes, directory }) =>
    [name, version, arch, mebibytes(sizeBytes), directory].map(plainText),
  );
  writeTable(out, ["TOOL", "VERSION", "ARCH", "SIZE", "DIRECTORY"], rows);
  return exitCode.success;
}

export async function removeTools({ tools }: Hearth, { err }: Terminal, wish: string): Promise<ExitCode> {
  for (const tool of await tools.remove(wish)) err.write(`removed ${describe(tool)}\n`);
  return exitCode.success;
}

function describe({ name, version, arch, sizeBytes }: ToolSummary): string {
  return plainText(`${name} ${version} ${arch}, ${mebibytes(sizeBytes)}`);
}
