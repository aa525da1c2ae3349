/** `hearth lock`: pins every reference to another repository to the commit that it means now, in a file that people review. */
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { resolve } from "node:path";
import type { ManageReport, ReferenceChange } from "../select/manage-actions.ts";
import { LOCK_FILE } from "../select/lock.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { alignColumns } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export async function lock({ actions }: Hearth, terminal: Terminal, path: string | undefined): Promise<ExitCode> {
  const { out, err } = terminal;
  const report = await actions.lock(manageRequest(path, terminal));
  reportFailures(terminal, report);
  if (report.failures.length > 0) {
    err.write(
      `${LOCK_FILE} was not written, since ${counted(report.failures.length, "reference")} could not be found\n`,
    );
    return exitCode.machine;
  }
  const changed = report.changes.filter(({ before, after }) => before !== after);
  for (const line of alignColumns(changed.map(changeRow))) out.write(`${line}\n`);
  const pinned = report.changes.filter(({ after }) => after !== undefined).length;
  out.write(`${LOCK_FILE}: ${counted(pinned, "reference")} pinned, ${changed.length} changed\n`);
  return exitCode.success;
}

export function manageRequest(path: string | undefined, { err }: Terminal) {
  return {
    path: path === undefined ? undefined : resolve(path),
    onProgress: (line: string): void => err.write(`${plainText(line)}\n`),
  };
}

/** To stderr, with what is to be said without stopping anything. */
export function reportFailures({ err }: Terminal, { failures, warnings }: ManageReport): void {
  for (const warning of warnings) err.write(`${plainText(formatDiagnostic(warning))}\n`);
  for (const { reference, reason } of failures) err.write(`${plainText(`${reference}: ${reason}`)}\n`);
}

/** `actions/cache@v4  moved from 0057852bfaa8 to 1bd1e32a3bdc`. */
export function changeRow({ reference, before, after }: ReferenceChange): readonly string[] {
  const text =
    after === undefined
      ? "removed"
      : before === undefined
        ? `added at ${after}`
        : before === after
          ? `unchanged at ${short(after)}`
          : `moved from ${short(before)} to ${after}`;
  return [plainText(reference), text];
}

function short(sha: string): string {
  return sha.slice(0, 12);
}
