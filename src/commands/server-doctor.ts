/** `hearth doctor --server`: how the server is that this command would ask, and the settings that one started here would have. */
import { array, object, string } from "zod/mini";
import { readAs } from "./ask-server.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { plainText } from "./display-text.ts";
import { alignColumns } from "./table.ts";
import type { Terminal } from "./terminal.ts";

const Readiness = object({ reasons: array(object({ reason: string(), detail: string() })) });

/** Exit 5 where it is degraded or cannot be asked. */
export async function serverDoctor({ server }: Hearth, { out }: Terminal): Promise<ExitCode> {
  const { bold, green, red } = out.colors;
  const settings = await server.settings();
  const answer = await server.ask({ method: "GET", path: "/readyz" });
  const { reasons } = await readAs(Readiness, answer);
  out.write(`${answer.ok ? green("pass") : red("fail")}  ${bold("server")}  ${plainText(await server.describe())}\n`);
  for (const { reason, detail } of reasons) out.write(`      ${plainText(`${reason}: ${detail}`)}\n`);
  out.write(`\n${bold("Settings")} that a server started here would have\n`);
  const rows = settings.map(({ name, value, unit, source, doc }) =>
    [name, `${value}${unit === undefined ? "" : ` ${unit}`}`, source, doc].map(plainText),
  );
  for (const line of alignColumns(rows)) out.write(`  ${line}\n`);
  return answer.ok ? exitCode.success : exitCode.machine;
}
