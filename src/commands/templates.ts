/** `hearth machines templates`: the saved states that machines are copied from, and the end of those that nobody wants any more. */
import { mebibytes, minuteText } from "./cell-text.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth, TemplateSummary } from "./hearth.ts";
import { withInterrupt } from "./interrupt.ts";
import type { MachinesOptions } from "./machines.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface TemplatesPruneOptions {
  readonly all?: boolean;
  readonly olderThan?: number;
}

export async function listTemplates(
  { machines }: Hearth,
  terminal: Terminal,
  { json }: MachinesOptions,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const found = await machines.templates.list();
  if (json === true) out.write(`${JSON.stringify(found, undefined, 2)}\n`);
  else if (found.length === 0) err.write("No templates: the first machine that can be saved makes one.\n");
  else {
    const rows = found.map((template) =>
      [
        template.key.slice(0, 12),
        template.provider,
        imageText(template),
        mebibytes(template.sizeBytes),
        formatDuration(terminal.now() - Date.parse(template.madeAt)),
        minuteText(template.usedAt),
        stateText(template),
      ].map(plainText),
    );
    writeTable(out, ["TEMPLATE", "PROVIDER", "IMAGE", "SIZE", "AGE", "LAST USED", "STATE"], rows);
  }
  return exitCode.success;
}

/** What is in use stays, whatever is asked for: it is not among what was removed. */
export async function pruneTemplates(
  { machines }: Hearth,
  terminal: Terminal,
  { all = false, olderThan }: TemplatesPruneOptions,
): Promise<ExitCode> {
  const removed = await withInterrupt(terminal, (signal) =>
    machines.templates.prune({ all, olderThanMs: olderThan }, signal),
  );
  const left = (await machines.templates.list()).length;
  const sizeBytes = removed.reduce((sum, template) => sum + template.sizeBytes, 0);
  terminal.err.write(`removed ${counted(removed.length, "template")}, ${mebibytes(sizeBytes)}; ${left} kept\n`);
  return exitCode.success;
}

/** One whose image is gone is copied no more. */
function imageText({ image, imageDigest }: TemplateSummary): string {
  return image ?? `gone (${imageDigest.slice(0, 12)})`;
}

function stateText({ inUse, impossible }: TemplateSummary): string {
  if (impossible !== null) return `none: ${impossible}`;
  return inUse ? "in use" : "ready";
}
