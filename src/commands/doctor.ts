/**
 * `hearth doctor`: what this host can do, each line with its fix, then every setting with where it came from. Exit 5 when no
 * provider that isolates works: `host` isolates nothing and is used only when asked for by name.
 */
import type { ProviderName } from "../provider/provider.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { DoctorLine } from "../setup/inspect-host.ts";
import type { Hearth, Setting } from "./hearth.ts";
import { alignColumns } from "./table.ts";
import type { Output, Terminal } from "./terminal.ts";

const isolating: ReadonlySet<ProviderName> = new Set(["firecracker", "qemu", "gvisor"]);

export async function doctor(hearth: Hearth, { out }: Terminal): Promise<ExitCode> {
  let usable = false;
  for await (const line of hearth.doctor()) {
    printLine(out, line);
    if (line.status === "pass" && line.provider !== undefined && isolating.has(line.provider)) usable = true;
  }
  printSettings(out, hearth.settings);
  if (usable) return exitCode.success;
  out.write(`\n${out.colors.red("No provider works here:")} workflows cannot run in machines of their own yet.\n`);
  return exitCode.machine;
}

function printLine({ write, colors }: Output, { status, subject, detail, fix }: DoctorLine): void {
  const paint = { pass: colors.green, fail: colors.red, info: colors.cyan }[status];
  write(`${paint(status)}  ${colors.bold(plainText(subject))}  ${plainText(detail)}\n`);
  if (fix !== undefined) write(`      fix: ${plainText(fix)}\n`);
}

function printSettings({ write, colors }: Output, settings: readonly Setting[]): void {
  write(`\n${colors.bold("Settings")}\n`);
  const rows = settings.map(({ name, value, unit, source, doc }) =>
    [name, `${value}${unit === undefined ? "" : ` ${unit}`}`, source, doc].map(plainText),
  );
  for (const line of alignColumns(rows)) write(`  ${line}\n`);
}
