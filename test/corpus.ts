/**
 * Every workflow of a corpus through reader and planner in one process, once for each event that it starts on: what came of each,
 * with every diagnostic. Called workflows and local actions of the same repository are looked for where the corpus keeps them.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { createWayChooser } from "../src/action/choose-way.ts";
import type { WayOptions } from "../src/action/choose-way.ts";
import { MANIFEST_FILES } from "../src/action/manifest.ts";
import { formatDiagnostic } from "../src/lib/diagnostic.ts";
import type { Diagnostic } from "../src/lib/diagnostic.ts";
import type { CalledWorkflows } from "../src/plan/called-workflow.ts";
import { makeEvent } from "../src/plan/make-event.ts";
import type { PlannedJob, PlanResult } from "../src/plan/plan.ts";
import { planWorkflow } from "../src/plan/plan-workflow.ts";
import { defaultRunners } from "../src/plan/runner-map.ts";
import { schedulesOf } from "../src/plan/schedule.ts";
import { readWorkflow } from "../src/workflow/read-workflow.ts";
import type { InputDefinition, Trigger, Workflow } from "../src/workflow/workflow.ts";

export interface CorpusFile {
  readonly file: string;
  /** GitHub's starter templates hold placeholders, which make some of them invalid on purpose. */
  readonly kind: "real" | "starter";
  /** `refused` when it is for any of its events. */
  readonly outcome: "planned" | "refused" | "crashed";
  /** How often the file was planned, and how often its event did start it. */
  readonly plans: number;
  readonly started: number;
  /** The file's own; those of called workflows are counted with their own files. */
  readonly jobs: number;
  readonly declared: number;
  readonly held: number;
  /** What refused it, or how it crashed. */
  readonly message: string;
  /** Each once, however many events have it. */
  readonly diagnostics: readonly CorpusDiagnostic[];
}

export interface CorpusDiagnostic {
  readonly kind: Diagnostic["kind"];
  /** The message without what is the file's own: names, numbers. */
  readonly messageClass: string;
  readonly text: string;
}

/** Where the files of one repository are. */
interface Place {
  readonly workflow: (name: string) => string;
  readonly action: (path: string) => string;
  readonly known?: WayOptions["known"];
}

/** `known`: what is at hand of actions in other repositories. */
export function planCorpus(corpus: string, known?: WayOptions["known"]): CorpusFile[] {
  const rows = readFileSync(join(corpus, "manifest.tsv"), "utf8").trim().split("\n").slice(1);
  return rows
    .map((row) => row.split("\t"))
    .filter(([, , , kind]) => kind === "workflow")
    .map(([, , path = "", , kind, file = ""]) => {
      const folder = join(corpus, file.split("/", 1)[0] ?? "");
      const place: Place = {
        workflow: (name) => join(folder, "workflows", name),
        action: (action) => join(folder, action),
        known,
      };
      return planFile({ file, path, text: readFileSync(join(corpus, file), "utf8") }, kindOf(kind), place);
    });
}

const NOWHERE: Place = { workflow: (name) => join("/nowhere", name), action: (path) => join("/nowhere", path) };

/** One file alone, for its first event: what planning it costs. Undefined when it cannot be read. */
export function planText(path: string, text: string): PlanResult | undefined {
  const read = readWorkflow(path, text);
  const [trigger] = read.kind === "read" ? eventsOf(read.workflow) : [];
  if (read.kind === "refused" || trigger === undefined) return undefined;
  return planEvent(read.workflow, trigger, read.warnings, NOWHERE);
}

/** A directory of workflows without a manifest: all of them count as real. */
export function planDirectory(directory: string): CorpusFile[] {
  const place: Place = { workflow: (name) => join(directory, name), action: (action) => join(directory, action) };
  return readdirSync(directory)
    .toSorted()
    .map((name) => {
      const text = readFileSync(join(directory, name), "utf8");
      return planFile({ file: name, path: `${WORKFLOWS}/${name}`, text }, "real", place);
    });
}

const WORKFLOWS = ".github/workflows";

function kindOf(kind: string | undefined): CorpusFile["kind"] {
  return kind === "real" ? "real" : "starter";
}

interface Source {
  /** In the corpus. */
  readonly file: string;
  /** In its repository. */
  readonly path: string;
  readonly text: string;
}

function planFile({ file, path, text }: Source, kind: CorpusFile["kind"], place: Place): CorpusFile {
  const none = { file, kind, plans: 0, started: 0, jobs: 0, declared: 0, held: 0, message: "", diagnostics: [] };
  try {
    const read = readWorkflow(path, text);
    if (read.kind === "refused") {
      return { ...none, outcome: "refused", ...told(file, read.diagnostics) };
    }
    const { workflow } = read;
    const results = eventsOf(workflow).map((trigger) => planEvent(workflow, trigger, read.warnings, place));
    const refused = results.flatMap((result) => (result.kind === "refused" ? result.diagnostics : []));
    const all = results.flatMap((result) => (result.kind === "refused" ? result.diagnostics : result.warnings));
    const held = results.map((result) => (result.kind === "refused" ? 0 : heldIn(result.plan.jobs)));
    return {
      ...none,
      outcome: refused.length > 0 ? "refused" : "planned",
      plans: results.length,
      started: results.filter((result) => result.kind === "planned").length,
      jobs: workflow.jobs.length,
      declared: workflow.declaredSteps,
      held: Math.min(...held),
      message: refused.map((diagnostic) => inFile(file, diagnostic)).join("; "),
      diagnostics: told(file, all).diagnostics,
    };
  } catch (error) {
    return { ...none, outcome: "crashed", message: error instanceof Error ? (error.stack ?? "") : String(error) };
  }
}

/** One of each event; a workflow that only others call is planned for an event that does not start it. */
function eventsOf({ triggers }: Workflow): readonly Trigger[] {
  const own = triggers.filter(({ event }) => event !== "workflow_call");
  const first = triggers.slice(0, 1);
  return [...new Map((own.length === 0 ? first : own).map((trigger) => [trigger.event, trigger])).values()];
}

function planEvent(workflow: Workflow, trigger: Trigger, warnings: readonly Diagnostic[], place: Place): PlanResult {
  const inputs = Object.fromEntries((trigger.inputs ?? []).map((input) => [input.name, valueFor(input)]));
  const branch = trigger.branches?.find((name) => /^[\w/.-]+$/.test(name)) ?? "main";
  const facts = { owner: "o", name: "r", defaultBranch: branch, ref: `refs/heads/${branch}` };
  const event = makeEvent(
    { ...facts, headSha: "1".repeat(40), headCommitMessage: "Change something" },
    {
      name: trigger.event === "workflow_call" ? "push" : trigger.event,
      payload: undefined,
      inputs,
      actor: "octocat",
      changedFiles: undefined,
      triggers: [trigger],
      schedule: schedulesOf(workflow)[0]?.cron,
    },
  );
  return planWorkflow(workflow, {
    event,
    inputs: trigger.event === "workflow_dispatch" ? inputs : {},
    vars: {},
    chooseWay: createWayChooser((path) => actionAt(place, path), {
      builtins: true,
      known: place.known,
      isOwn: ({ repository }) => repository === "o/r",
    }),
    called: calledIn(place),
    runners: defaultRunners,
    select: { job: undefined, matrix: [] },
    warnings,
  });
}

function valueFor({ type, options, default: given }: InputDefinition): string {
  if (given?.kind === "literal" && given.value !== null) return String(given.value);
  const values = { string: "text", boolean: "true", number: "1", choice: options[0] ?? "", environment: "production" };
  return values[type];
}

function actionAt(place: Place, path: string): { readonly path: string; readonly text: string } | undefined {
  const file = MANIFEST_FILES.map((name) => join(path, name)).find((name) => existsSync(place.action(name)));
  return file === undefined ? undefined : { path: file, text: readFileSync(place.action(file), "utf8") };
}

function calledIn(place: Place): CalledWorkflows {
  return (uses, caller) => {
    const name = uses.startsWith(`./${WORKFLOWS}/`) ? basename(uses) : undefined;
    if (name === undefined)
      return { kind: "missing", message: "A workflow of another repository is not in the corpus" };
    if (!existsSync(place.workflow(name)))
      return { kind: "missing", message: "The called workflow is not in the corpus" };
    const path = `${WORKFLOWS}/${name}`;
    const read = readWorkflow(path, readFileSync(place.workflow(name), "utf8"));
    return { kind: "found", path, read, origin: { ...caller, path } };
  };
}

function heldIn(jobs: readonly PlannedJob[]): number {
  return jobs.reduce((sum, { steps }) => sum + steps.length, 0);
}

function told(
  file: string,
  diagnostics: readonly Diagnostic[],
): { readonly message: string; readonly diagnostics: readonly CorpusDiagnostic[] } {
  const byText = new Map(
    diagnostics.map((diagnostic) => {
      const text = inFile(file, diagnostic);
      return [text, { kind: diagnostic.kind, messageClass: classOf(diagnostic.message), text }];
    }),
  );
  return { message: [...byText.keys()].join("; "), diagnostics: [...byText.values()] };
}

/** Files of the corpus have the same paths in their repositories. */
function inFile(file: string, diagnostic: Diagnostic): string {
  return formatDiagnostic({ ...diagnostic, file: `${file.split("/", 1)[0]}:${diagnostic.file}` });
}

function classOf(message: string): string {
  return message
    .replaceAll(/^In .*?: /gu, "In an action: ")
    .replaceAll(/'[^']*'/gu, "'…'")
    .replaceAll(/\b[\w.-]+\/[\w./-]+(?:@\S+)?/gu, "…")
    .replaceAll(/\d+/gu, "N");
}
