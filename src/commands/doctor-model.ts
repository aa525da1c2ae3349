/** `hearth doctor --model`: whether the configured model is fit to translate actions, by five questions. Exit 5 when it is not. */
import type { ModelReport, ProbeResult } from "../translate/model/inspect-model.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import type { Output, Terminal } from "./terminal.ts";

export interface ModelOptions {
  readonly json?: boolean;
}

export async function doctorModel(
  hearth: Pick<Hearth, "inspectModel">,
  { out }: Pick<Terminal, "out">,
  { json }: ModelOptions,
): Promise<ExitCode> {
  const report = await hearth.inspectModel();
  if (json === true) out.write(`${JSON.stringify(report, null, 2)}\n`);
  else print(out, report);
  return report.fit ? exitCode.success : exitCode.machine;
}

function print({ write, colors }: Output, { model, fit, reasons, probes, bears }: ModelReport): void {
  for (const probe of probes)
    write(`${paintResult(colors, probe)}  ${probe.name}  ${probe.seconds.toFixed(1)} s${reasonOf(probe)}\n`);
  if (bears > 0) write(`bears ${bears === 4 ? "at least 4" : bears} request${bears === 1 ? "" : "s"} at a time\n`);
  const verdict = fit ? colors.green("fit") : colors.red("unfit");
  write(`${verdict}: ${plainText(model)}\n`);
  for (const reason of reasons) write(`  ${plainText(reason)}\n`);
}

function paintResult(colors: Output["colors"], { result }: ProbeResult): string {
  return result === "passed" ? colors.green("pass") : colors.red("fail");
}

function reasonOf({ result, reason }: ProbeResult): string {
  return result === "passed" ? "" : `  ${result}: ${plainText(reason ?? "")}`;
}
