/** `hearth doctor --production`: whether this host is set up as one that runs strangers' code should be. Exit 5 when a point fails. */
import type { HostCheck } from "../setup/production-host.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import type { Output, Terminal } from "./terminal.ts";

export interface ProductionOptions {
  readonly json?: boolean;
}

export async function doctorProduction(
  hearth: Hearth,
  { out }: Terminal,
  { json }: ProductionOptions,
): Promise<ExitCode> {
  const checks = await hearth.inspectProductionHost();
  if (json === true) out.write(`${JSON.stringify({ checks }, null, 2)}\n`);
  else for (const check of checks) printCheck(out, check);
  return checks.some(({ status }) => status === "fail") ? exitCode.machine : exitCode.success;
}

function printCheck({ write, colors }: Output, { check, status, detail, fix }: HostCheck): void {
  const paint = { pass: colors.green, fail: colors.red, unknown: colors.yellow }[status];
  write(`${paint(status.padEnd(7))}  ${colors.bold(plainText(check))}  ${plainText(detail)}\n`);
  if (fix !== undefined) write(`         fix: ${plainText(fix)}\n`);
}
