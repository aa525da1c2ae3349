/**
 * What planning the selected files came to, in the groups that decide what happens: run, refused, passed over. One rule for
 * `hearth run`, which starts what can start, and `hearth plan`, which answers as `hearth run` would. Pure.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Plan, PlanResult } from "../plan/plan.ts";
import { blockersOf } from "./blockers.ts";
import { exitCode, worstExitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";

export interface SortedResults {
  readonly startable: readonly Plan[];
  readonly refused: readonly RefusedFile[];
  /** Not triggered, or without the job that was asked for while another file has it. */
  readonly passedOver: readonly { readonly path: string; readonly reason: string }[];
  readonly warnings: readonly Diagnostic[];
}

interface RefusedFile {
  readonly path: string;
  readonly blockers: readonly Diagnostic[];
  /** The person's mistake rather than the file's. */
  readonly usage: boolean;
}

export function sortResults(results: readonly PlanResult[]): SortedResults {
  const startable: Plan[] = [];
  const refused: RefusedFile[] = [];
  const passedOver: SortedResults["passedOver"][number][] = [];
  const warnings: Diagnostic[] = [];
  for (const result of results) {
    if (result.kind === "not_triggered") {
      passedOver.push({ path: result.plan.workflow.path, reason: `not triggered: ${result.reason}` });
      continue;
    }
    if (result.kind === "refused" && lacksSelected(result, results)) {
      passedOver.push({ path: result.path, reason: `not selected: ${result.diagnostics[0]?.message ?? ""}` });
      continue;
    }
    const blockers = blockersOf(result);
    if (result.kind === "refused") {
      refused.push({ path: result.path, blockers, usage: result.fault !== undefined });
      continue;
    }
    if (blockers.length > 0) refused.push({ path: result.plan.workflow.path, blockers, usage: false });
    else startable.push(result.plan);
    warnings.push(...result.warnings.filter(({ kind }) => kind === "warning"));
  }
  return { startable, refused, passedOver, warnings };
}

/** `--job test` means the files that have a job `test`: the others are at fault only where none has it. */
export function lacksSelected(result: PlanResult, results: readonly PlanResult[]): boolean {
  return result.kind === "refused" && result.fault === "selection" && results.some((other) => other.kind === "planned");
}

/** `nothing` where nothing was refused. */
export function exitCodeOfRefused(refused: readonly { readonly usage: boolean }[]): ExitCode {
  return worstExitCode(refused.map(({ usage }) => (usage ? exitCode.usage : exitCode.workflow)));
}
