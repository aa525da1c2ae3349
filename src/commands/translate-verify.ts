/**
 * `hearth translate verify`: the real action and its translation in two machines beside each other, and in what they differ. Fails where
 * any differs, and where none could be compared.
 */
import { existsSync } from "node:fs";
import { translatedText } from "../action/translated-way.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { Plan } from "../plan/plan.ts";
import type { Comparison, ComparisonProjects } from "../select/comparison-projects.ts";
import { differencesBetween, readReport } from "./compare-reports.ts";
import type { Difference, StepReport } from "./compare-reports.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth, RunOptions } from "./hearth.ts";
import { manageRequest } from "./lock.ts";
import { createQuietView } from "./quiet-view.ts";
import { selectRequest } from "./request.ts";
import { runAll } from "./run-all.ts";
import type { RunResult } from "./run-all.ts";
import { sortResults } from "./sort-results.ts";
import type { Output, Terminal } from "./terminal.ts";

export interface VerifyCommandOptions {
  readonly json?: boolean;
}

type Verdict =
  | { readonly verdict: "same"; readonly runs: readonly string[] }
  | { readonly verdict: "differs"; readonly differences: readonly Difference[]; readonly runs: readonly string[] }
  | { readonly verdict: "not_compared"; readonly why: string; readonly runs: readonly string[] };

type Line = Verdict & {
  readonly action: string;
  readonly places: readonly string[];
  /** Who wrote the steps; null where nobody did. */
  readonly by: string | null;
};

/** `wanted`: a workflow file or directory, an action, or the id of a step. */
export async function verifyTranslations(
  hearth: Hearth,
  terminal: Terminal,
  wanted: string | undefined,
  { json = false }: VerifyCommandOptions,
): Promise<ExitCode> {
  const isPath = wanted !== undefined && existsSync(wanted);
  const request = { ...manageRequest(isPath ? wanted : undefined, terminal), wanted: isPath ? undefined : wanted };
  const comparisons = await hearth.actions.compare(request);
  if (comparisons.length === 0) {
    const what = wanted === undefined ? "an action that is not built in" : plainText(wanted);
    throw new EngineError("BAD_USAGE", `Nothing to verify: no step uses ${what}`);
  }
  const lines: Line[] = [];
  for (const comparison of comparisons) {
    const { action, places, translation } = comparison;
    const by = translation === undefined ? null : translatedText(translation.by);
    const line: Line = { action, places, by, ...(await verdictOf(hearth, terminal, comparison)) };
    lines.push(line);
    if (!json) printLine(terminal.out, line);
  }
  const count = (verdict: Verdict["verdict"]): number => lines.filter((line) => line.verdict === verdict).length;
  const [same, differ, not] = [count("same"), count("differs"), count("not_compared")];
  if (json) terminal.out.write(`${JSON.stringify(lines, undefined, 2)}\n`);
  else terminal.out.write(`${same} the same, ${differ} differ, ${not} not compared\n`);
  if (differ > 0) return exitCode.failure;
  return same > 0 ? exitCode.success : exitCode.nothing;
}

async function verdictOf(hearth: Hearth, terminal: Terminal, comparison: Comparison): Promise<Verdict> {
  if (comparison.why !== undefined) return { verdict: "not_compared", why: comparison.why, runs: [] };
  await using projects = await comparison.prepare();
  const runs: RunResult[] = [];
  const reports: StepReport[] = [];
  const sides = [await sideOf(hearth, projects.real, false), await sideOf(hearth, projects.translated, undefined)];
  for (const side of sides) if ("why" in side) return { verdict: "not_compared", why: side.why, runs: [] };
  const started = sides.flatMap((side) => ("plan" in side ? [side] : []));
  const optionsOf = await optionsFor(hearth, projects, started);
  const plans = started.map(({ plan }) => plan);
  runs.push(...(await runAll(hearth, terminal, createQuietView(terminal), plans, optionsOf, false)));
  const names = runs.flatMap((result) => (result.kind === "ended" ? [result.run] : []));
  for (const [index, result] of runs.entries()) {
    const report = result.kind === "ended" ? reportOf(result) : undefined;
    if (report === undefined) {
      const which = index === 0 ? "the real action" : "the translation";
      return { verdict: "not_compared", why: `the machine of ${which} told nothing: ${whyOf(result)}`, runs: names };
    }
    reports.push(report);
  }
  const [real, translated] = reports;
  if (real === undefined || translated === undefined) throw new Error("Two runs have two reports");
  // A step that fails on both sides has shown nothing of what it does when it can.
  if (real.outcome !== "success" && translated.outcome !== "success") {
    return { verdict: "not_compared", why: "both fail in a machine as it is here", runs: names };
  }
  const differences = differencesBetween(real, translated);
  return differences.length === 0 ? { verdict: "same", runs: names } : { verdict: "differs", differences, runs: names };
}

interface Side {
  readonly plan: Plan;
  readonly repository: string;
  readonly options: Pick<RunOptions, "vars" | "runners" | "environments" | "network">;
}

/** No secret is given: `select` reads those of `hearth.yml`, and they stay here. */
async function sideOf(
  hearth: Hearth,
  file: string,
  translate: false | undefined,
): Promise<Side | { readonly why: string }> {
  const request = await selectRequest(file, { fetch: true, ...(translate === false ? { translate } : {}) });
  const { results, repository, vars, runners, environments, network } = await hearth.select(request);
  const { startable, refused } = sortResults(results);
  const [plan] = startable;
  if (plan !== undefined) {
    const bare = Object.entries(environments).map(([name, one]) => [name, { ...one, secrets: {} }] as const);
    return { plan, repository, options: { vars, runners, environments: Object.fromEntries(bare), network } };
  }
  const [blocker] = refused.flatMap(({ blockers }) => blockers);
  return { why: blocker === undefined ? "it cannot be planned" : formatDiagnostic(blocker) };
}

async function optionsFor(
  hearth: Hearth,
  { repository: recordedAs }: ComparisonProjects,
  sides: readonly Side[],
): Promise<(plan: Plan) => Omit<RunOptions, "onEvent">> {
  const { provider } = await hearth.chooseProvider();
  return (plan) => {
    const side = sides.find((one) => one.plan === plan);
    if (side === undefined) throw new Error("A plan of neither side");
    const rest = { machinePer: "workflow", skipUnsupported: false, earlier: undefined } as const;
    return { provider, repository: side.repository, recordedAs, secrets: {}, env: {}, ...rest, ...side.options };
  };
}

function reportOf({ watch }: Extract<RunResult, { kind: "ended" }>): StepReport | undefined {
  return readReport(watch.record.jobs[0]?.outputs["report"] ?? "");
}

function whyOf(result: RunResult): string {
  switch (result.kind) {
    case "ended": {
      const state = result.watch.record.jobs[0]?.state;
      const reason = state?.status === "completed" ? state.reason : undefined;
      return `${reason ?? result.outcome.conclusion}, see hearth logs ${result.run}`;
    }
    case "not_started":
      return result.error instanceof Error ? result.error.message : String(result.error);
    default:
      return "it was cancelled";
  }
}

/** Of each action enough to see what it is about. */
const SHOWN_DIFFERENCES = 20;

function printLine({ write, colors }: Output, line: Line): void {
  const { action, places, by } = line;
  const more = places.length > 1 ? ` and ${places.length - 1} more` : "";
  const head = `${colors.bold(plainText(action))}  ${colors.dim(plainText(`${places[0]}${more}`))}`;
  write(`${head}${by === null ? "" : `  ${plainText(by)}`}\n`);
  switch (line.verdict) {
    case "same":
      write(`  ${colors.green("same")}\n`);
      return;
    case "not_compared":
      write(`  ${colors.yellow("cannot be compared")}: ${plainText(line.why)}\n`);
      return;
    case "differs":
      write(`  ${colors.red("differs")}, see ${line.runs.map((run) => `hearth logs ${run}`).join(" and ")}\n`);
      for (const one of line.differences.slice(0, SHOWN_DIFFERENCES)) {
        const name =
          one.of === "output" || one.of === "variable" || one.of === "file" ? `${one.of} ${one.name}` : one.name;
        write(`    ${plainText(name)}: ${plainText(`${shown(one.real)}; translated: ${shown(one.translated)}`)}\n`);
      }
      if (line.differences.length > SHOWN_DIFFERENCES) {
        write(`    and ${line.differences.length - SHOWN_DIFFERENCES} more\n`);
      }
      return;
    default:
  }
}

const SHOWN_CHARACTERS = 200;

function shown(value: string | null | undefined): string {
  if (value === undefined) return "nothing";
  return value === null ? "removed" : value.slice(0, SHOWN_CHARACTERS);
}
