/**
 * The process of a step: its environment, its command files, its output through the step's log, and what it left in the files.
 * One round trip to the machine (files written, process run, files read back), because a round trip costs 10-100 ms under emulation.
 */
import type { StepFiles } from "../context/github-context.ts";
import { defaultVariables } from "./contexts.ts";
import { isBlockedVariable } from "../joblog/blocked-variable.ts";
import { MAX_COMMAND_FILE_BYTES, parseKeyValueFile, parsePathFile } from "./command-file.ts";
import { execProcess } from "./exec-process.ts";
import type { ProcessEnd } from "./exec-process.ts";
import type { ExecRequest } from "../protocol/agent-api.ts";
import { recordEgress } from "./record-egress.ts";
import type { Execution, StepRun } from "./step-run.ts";
import { addToPath, saveState, setVariable } from "./job-state.ts";
import { stepEnvironment } from "./step-environment.ts";
import { findTrouble } from "./step-trouble.ts";

export interface ProcessRequest {
  readonly argv: readonly string[];
  /** The program to start with these arguments where the machine does not have the first one. */
  readonly fallback?: string | undefined;
  readonly cwd: string;
  /** `INPUT_*`, `STATE_*` and other variables that only actions get. */
  readonly action: Readonly<Record<string, string>>;
  readonly write: readonly { readonly path: string; readonly content: string; readonly mode: number }[];
  /** Said after a non-zero exit; actions say nothing more than they printed. */
  readonly saysExitCode: boolean;
}

const CANCELLED: Execution = { outcome: "cancelled", message: "The operation was canceled." };

const READ_ORDER = ["env", "path", "output", "state", "stepSummary"] as const satisfies readonly (keyof StepFiles)[];

export async function runProcess(run: StepRun, request: ProcessRequest): Promise<Execution> {
  const { job, log } = run;
  const { machine, kill } = job;
  const cancel = run.insists ? run.stop : AbortSignal.any([job.cancel, run.stop]);
  // Between a step's condition and its process lie round trips to the machine, and a cancel may come in any of them.
  if (cancel.aborted || kill.aborted) return CANCELLED;
  const { agent, layout, environment } = machine;
  const id = job.newId();
  const pathOf = (prefix: string): string => `${layout.temp}/_runner_file_commands/${prefix}_${id}`;
  const paths: StepFiles = {
    env: pathOf("set_env"),
    path: pathOf("add_path"),
    output: pathOf("set_output"),
    state: pathOf("save_state"),
    stepSummary: pathOf("step_summary"),
  };
  const files = READ_ORDER.map((kind) => ({ kind, path: paths[kind] }));

  const exec: ExecRequest = {
    id,
    argv: [...request.argv],
    env: stepEnvironment({
      machine: { ...environment, RUNNER_TRACKING_ID: job.trackingId },
      env: { ...job.state.env, ...run.env },
      action: request.action,
      path: job.state.path,
      variables: defaultVariables(run, paths),
    }),
    cwd: request.cwd,
    user: "runner",
    write: [...request.write, ...files.map(({ path }) => ({ path, content: "", mode: 0o644 }))],
    read: files.map(({ path }) => ({ path, maxBytes: MAX_COMMAND_FILE_BYTES })),
  };
  log.debug(exec.argv.join(" "));
  const control = { cancel, timeout: run.timeout, kill, ladder: job.ladder };
  const start = (started: ExecRequest): Promise<ProcessEnd> =>
    execProcess(agent, started, (stream, chunk) => log.write(stream, chunk), control);
  let end = await start(exec);
  if (end.failure !== undefined && request.fallback !== undefined && !(await hasProgram(run, exec))) {
    log.line(`${exec.argv[0]} was not found, so ${request.fallback} runs the script.`);
    end = await start({ ...exec, id: job.newId(), argv: [request.fallback, ...exec.argv.slice(1)] });
  }
  for (const refusal of recordEgress(job, run.ref)) log.line(refusal);
  for (const note of machine.apiNotes) log.line(note);
  machine.apiNotes.clear();
  const { failed } = await log.end();

  const problems = [...failed];
  for (const [index, { kind }] of files.entries()) {
    const file = end.files[index];
    if (file === undefined || file.kind === "missing") continue;
    if (file.kind === "too_large") {
      const problem = `The ${kind} file is ${file.sizeBytes} bytes; at most ${MAX_COMMAND_FILE_BYTES} are read`;
      log.error(problem);
      // A summary that is too long is lost and the step's result stands (ACTIONS-CONTRACT §2.1).
      if (kind !== "stepSummary") problems.push(problem);
      continue;
    }
    problems.push(...applyCommandFile(run, kind, file.content));
  }

  if (end.endedBy === "cancel") return { ...CANCELLED, exitCode: end.code ?? undefined };
  if (end.endedBy === "timeout") return { outcome: "failure", exitCode: end.code ?? undefined };
  if (end.failure !== undefined) {
    log.error(end.failure);
    return withTrouble(run, { outcome: "failure", message: end.failure });
  }
  // Shells report a signal's end as 128 + its number; here the process itself was killed, so the name is what is known.
  if (end.code === null) {
    const message = `Process was ended by ${end.signal ?? "a signal"}.`;
    log.error(message);
    return withTrouble(run, { outcome: "failure", message });
  }
  if (end.code !== 0) {
    const message = `Process completed with exit code ${end.code}.`;
    if (request.saysExitCode) log.error(message);
    return withTrouble(run, { outcome: "failure", exitCode: end.code, message });
  }
  return problems.length > 0
    ? { outcome: "failure", exitCode: 0, message: problems[0] }
    : { outcome: "success", exitCode: 0 };
}

/** Asks the machine how it is; what is wrong with it is said in the log and after the step's own message. */
async function withTrouble(
  { job, log }: StepRun,
  failed: Execution & { readonly message: string },
): Promise<Execution> {
  const found = await findTrouble(job);
  if (found === undefined) return failed;
  log.error(found.message);
  return { ...failed, message: `${failed.message} ${found.message}`, trouble: found.trouble };
}

/** Whether the machine has the program of `exec`, looked up as the step would: asked only when it could not be started. */
async function hasProgram({ job }: StepRun, exec: ExecRequest): Promise<boolean> {
  const argv = ["sh", "-c", 'command -v -- "$1"', "sh", exec.argv[0] ?? ""];
  const asked = { ...exec, id: job.newId(), argv, cwd: job.machine.layout.workspace, write: [], read: [] };
  return (await job.machine.agent.exec(asked, () => undefined)).code === 0;
}

/** Applies what the process wrote; what a bad line names as wrong fails the step, pairs before it take effect. */
function applyCommandFile(run: StepRun, kind: keyof StepFiles, content: Buffer): string[] {
  if (content.length === 0) return [];
  const { job, log } = run;
  if (kind === "path") {
    const { paths, problem } = parsePathFile(content);
    addToPath(job.state, paths);
    return problem === undefined ? [] : unprocessed(log, kind, problem);
  }
  if (kind === "stepSummary") {
    const markdown = content
      .toString("utf8")
      .split("\n")
      .map((line) => job.masker.mask(line))
      .join("\n");
    job.emit({ type: "step_summary", job: job.instance.key, step: run.ref, markdown });
    return [];
  }
  const { pairs, problem } = parseKeyValueFile(content);
  for (const [name, value] of pairs) {
    if (kind === "output") {
      run.outputs[name] = value;
      log.debug(`Set output ${name} = ${value}`);
    } else if (kind === "state") {
      saveState(run.state, name, value);
      log.debug(`Save intra-action state ${name} = ${value}`);
    } else if (isBlockedVariable(name)) {
      log.error(`Can't store ${name.toUpperCase()} output parameter using '$GITHUB_ENV' command.`);
    } else {
      setVariable(job.state, name, value);
      log.debug(`${name}='${value}'`);
    }
  }
  return problem === undefined ? [] : unprocessed(log, kind, problem);
}

function unprocessed(log: StepRun["log"], kind: keyof StepFiles, problem: string): string[] {
  const messages = [`Unable to process file command '${kind}' successfully.`, problem];
  for (const message of messages) log.error(message);
  return messages;
}
