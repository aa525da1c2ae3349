/** Every workflow of a corpus through reader and planner in one process: what came of each, and the table of it. */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { createWayChooser } from "../src/action/choose-way.ts";
import { formatDiagnostic } from "../src/lib/diagnostic.ts";
import { makeEvent } from "../src/plan/make-event.ts";
import { noCalls } from "../src/plan/plan-fixture.ts";
import { planWorkflow } from "../src/plan/plan-workflow.ts";
import { defaultRunners } from "../src/plan/runner-map.ts";
import { readWorkflow } from "../src/workflow/read-workflow.ts";

export interface CorpusFile {
  readonly file: string;
  /** GitHub's starter templates hold placeholders, which make some of them invalid on purpose. */
  readonly kind: "real" | "starter";
  readonly outcome: "planned" | "refused" | "crashed";
  readonly jobs: number;
  readonly declared: number;
  readonly held: number;
  readonly message: string;
}

export function planCorpus(corpus: string): CorpusFile[] {
  const rows = readFileSync(join(corpus, "manifest.tsv"), "utf8").trim().split("\n").slice(1);
  return rows
    .map((row) => row.split("\t"))
    .filter(([, , , kind]) => kind === "workflow")
    .map(([, , , , kind, file = ""]) => planFile(corpus, file, kind === "real" ? "real" : "starter"));
}

/** A directory of workflows without a manifest: all of them count as real. */
export function planDirectory(directory: string): CorpusFile[] {
  return readdirSync(directory)
    .toSorted()
    .map((file) => planFile(directory, file, "real"));
}

function planFile(base: string, file: string, kind: CorpusFile["kind"]): CorpusFile {
  const none = { file: relative(".", file), kind, jobs: 0, declared: 0, held: 0 };
  try {
    const read = readWorkflow(file, readFileSync(join(base, file), "utf8"));
    if (read.kind === "refused") {
      const [first] = read.diagnostics;
      return { ...none, outcome: "refused", message: first === undefined ? "" : formatDiagnostic(first) };
    }
    const { workflow } = read;
    const name = workflow.triggers[0]?.event ?? "push";
    const repository = { owner: "o", name: "r", defaultBranch: "main", ref: "refs/heads/main" };
    const planned = planWorkflow(workflow, {
      event: makeEvent(
        { ...repository, headSha: undefined, headCommitMessage: "" },
        // Not of the workflow's own events, so that required inputs are not asked for.
        {
          name: name === "push" ? "push" : "none",
          payload: undefined,
          inputs: {},
          actor: "a",
          changedFiles: undefined,
        },
      ),
      inputs: {},
      vars: {},
      chooseWay: createWayChooser(() => undefined, { builtins: true }),
      called: noCalls,
      runners: defaultRunners,
      select: { job: undefined, matrix: [] },
      warnings: [],
    });
    if (planned.kind === "refused") {
      return { ...none, outcome: "refused", message: planned.diagnostics.map(formatDiagnostic).join("; ") };
    }
    const { plan } = planned;
    const { declaredSteps: declared, heldSteps: held } = plan;
    return { ...none, outcome: "planned", jobs: plan.jobs.length, declared, held, message: "" };
  } catch (error) {
    return { ...none, outcome: "crashed", message: error instanceof Error ? (error.stack ?? "") : String(error) };
  }
}
