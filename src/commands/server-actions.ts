/** `hearth cancel|rerun|approve|dispatch`: what a person tells a server to do. Each is done, and kept, when the command ends. */
import { number, object } from "zod/mini";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { askRun, askRuns, askServer, readAs, runPath } from "./ask-server.ts";
import type { ServerRunDocument } from "./ask-server.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { Pair } from "./pairs.ts";
import { toRecord } from "./pairs.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

const Accepted = object({ delivery: number() });

export interface ActionOptions {
  readonly json?: boolean;
}

export async function cancelRun(
  hearth: Hearth,
  terminal: Terminal,
  run: string,
  options: ActionOptions,
): Promise<ExitCode> {
  const now = await askRun(hearth, { method: "POST", path: runPath(run, "cancel") });
  const text = now.state === "completed" ? "is cancelled" : "is asked to stop";
  return say(terminal, now, text, options);
}

export async function rerunRun(
  hearth: Hearth,
  terminal: Terminal,
  run: string,
  { failed, ...options }: ActionOptions & { readonly failed?: boolean },
): Promise<ExitCode> {
  const body = { failed: failed === true };
  const now = await askRun(hearth, { method: "POST", path: runPath(run, "rerun"), body });
  return say(terminal, now, `is ${now.state}, attempt ${now.attempt}`, options);
}

export async function approveRun(
  hearth: Hearth,
  terminal: Terminal,
  run: string,
  { sha, ...options }: ActionOptions & { readonly sha?: string },
): Promise<ExitCode> {
  const path = runPath(run);
  // Without --sha what is approved is what the server shows now, and that is said.
  const commit = sha ?? (await askRun(hearth, { method: "GET", path })).headSha;
  const now = await askRun(hearth, { method: "POST", path: `${path}/approve`, body: { sha: commit } });
  return say(terminal, now, `is approved at ${commit}`, options);
}

export interface DispatchOptions extends ActionOptions {
  readonly repo?: string;
  readonly ref?: string;
  readonly input?: readonly Pair[];
}

export async function dispatchWorkflow(
  hearth: Hearth,
  { out }: Terminal,
  workflow: string,
  { repo, ref, input, json }: DispatchOptions,
): Promise<ExitCode> {
  const repository = repo ?? (await onlyRepository(hearth));
  const body = { repository, workflow, ...(ref !== undefined && { ref }), inputs: toRecord(input) };
  const answer = await askServer(hearth, { method: "POST", path: "/api/v1/dispatches", body });
  const { delivery } = await readAs(Accepted, answer);
  if (json === true) out.write(`${JSON.stringify({ delivery })}\n`);
  else out.write(`${plainText(workflow)} of ${plainText(repository)} is dispatched (delivery ${delivery})\n`);
  return exitCode.success;
}

/** Where the server has had runs of a single repository, that one is meant. */
async function onlyRepository(hearth: Hearth): Promise<string> {
  const runs = await askRuns(hearth, 500);
  const [only, another] = new Set(runs.map(({ repository }) => repository));
  if (only !== undefined && another === undefined) return only;
  throw new EngineError("BAD_USAGE", "Which repository is meant: --repo OWNER/NAME");
}

function say({ out }: Terminal, run: ServerRunDocument, text: string, { json }: ActionOptions): ExitCode {
  if (json === true) out.write(`${JSON.stringify(run)}\n`);
  else
    out.write(`run ${run.id} (${plainText(`${run.repository} ${workflowLabel(run.workflow)}`)}) ${plainText(text)}\n`);
  return exitCode.success;
}
