/** Workflows of which nothing is started: why, on stderr, before anything else starts. */
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { plainText } from "./display-text.ts";
import type { SortedResults } from "./sort-results.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export function reportRefused({ out, err }: Terminal, { refused, warnings }: SortedResults, json: boolean): void {
  for (const warning of warnings) err.write(`${plainText(formatDiagnostic(warning))}\n`);
  for (const { path, blockers } of refused) {
    for (const blocker of blockers) err.write(`${plainText(formatDiagnostic(blocker))}\n`);
    err.write(`${err.colors.red(`${plainText(workflowLabel(path))} refused`)}: nothing of it was started\n`);
    if (json) {
      out.write(
        `${JSON.stringify({ type: "summary", workflow: path, conclusion: "refused", diagnostics: blockers })}\n`,
      );
    }
  }
}
