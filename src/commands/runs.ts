/** `hearth runs`: the runs that are kept, newest first. A run whose process is gone without a word is `lost`, never running. */
import type { StoredRun } from "../store/run-store.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { alignColumns } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export async function runs({ store }: Hearth, { out, err }: Terminal): Promise<ExitCode> {
  const kept = await store.list();
  if (kept.length === 0) {
    err.write("No runs yet: `hearth run` makes one.\n");
    return exitCode.success;
  }
  const heading = ["RUN", "WORKFLOW", "NUMBER", "EVENT", "STATUS", "STEPS", "TOOK", "STARTED", "REPOSITORY"];
  const [first = "", ...rows] = alignColumns([heading, ...kept.map(row)]);
  out.write(`${out.colors.dim(first)}\n${rows.map((line) => `${line}\n`).join("")}`);
  return exitCode.success;
}

function row({ run, workflow, runNumber, event, state, startedAt, repository }: StoredRun): string[] {
  const ending = state.status === "completed" ? state.ending : undefined;
  return [
    run,
    workflowLabel(workflow),
    `#${runNumber}`,
    event,
    ending === undefined ? state.status : ending.error === undefined ? ending.conclusion : "error",
    ending === undefined ? "" : `${ending.counts.ran}/${ending.counts.declared}`,
    ending === undefined ? "" : formatDuration(ending.durationMs),
    startedAt.slice(0, 19).replace("T", " "),
    repository,
  ].map(plainText);
}
