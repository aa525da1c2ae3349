/** `hearth runs|logs` of a server that was named: what its API says, as the commands show what is kept here. */
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { askRuns, askServer, runPath } from "./ask-server.ts";
import type { ServerRunDocument } from "./ask-server.ts";
import type { LogsCommandOptions } from "./logs.ts";
import type { RunsCommandOptions } from "./runs.ts";
import { withInterrupt } from "./interrupt.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

const USUAL_LIMIT = 50;

export async function serverRuns(
  hearth: Hearth,
  { out, err }: Terminal,
  { json, limit = USUAL_LIMIT, workflow }: RunsCommandOptions,
): Promise<ExitCode> {
  const runs = await askRuns(hearth, Math.min(limit, 500));
  const wanted = runs.filter((run) => workflow === undefined || `/${run.workflow}`.endsWith(`/${workflow}`));
  if (json === true) out.write(`${JSON.stringify(wanted, undefined, 2)}\n`);
  else if (wanted.length === 0) err.write("No runs yet.\n");
  else
    writeTable(out, ["RUN", "WORKFLOW", "EVENT", "REF", "STATUS", "QUEUED", "REPOSITORY", "RECORD"], wanted.map(row));
  return exitCode.success;
}

function row(run: ServerRunDocument): string[] {
  const { id, workflow, event, ref, state, conclusion, attempt, queuedAt, repository } = run;
  return [
    `${id}${attempt < 2 ? "" : `, attempt ${attempt}`}`,
    workflowLabel(workflow),
    event,
    ref.replace(/^refs\/(?:heads|tags)\//u, ""),
    conclusion ?? state,
    queuedAt.slice(0, 19).replace("T", " "),
    repository,
    run.run ?? "",
  ].map(plainText);
}

/** `follow`: line by line until the run ends; else what there is now. */
export async function serverLogs(
  hearth: Hearth,
  terminal: Terminal,
  run: string,
  { job, step, follow }: Pick<LogsCommandOptions, "job" | "step"> & { readonly follow?: boolean },
): Promise<ExitCode> {
  const query = new URLSearchParams({ ...(job !== undefined && { job }), ...(step !== undefined && { step }) });
  const path = `${runPath(run, "logs")}${query.size === 0 ? "" : `?${query.toString()}`}`;
  const { out } = terminal;
  await withInterrupt(terminal, async (signal) => {
    const headers = { accept: follow === true ? "text/event-stream" : "text/plain" };
    const answer = await askServer(hearth, { method: "GET", path, headers, signal });
    for await (const line of linesOf(answer)) {
      if (follow !== true) out.write(`${plainText(line)}\n`);
      else if (line.startsWith("data: ") && !line.startsWith('data: {"id":'))
        out.write(`${plainText(line.slice(6))}\n`);
    }
  });
  return exitCode.success;
}

async function* linesOf({ body }: Response): AsyncGenerator<string> {
  if (body === null) return;
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
