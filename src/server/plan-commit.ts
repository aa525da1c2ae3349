/**
 * What of one commit one event starts: checked out, its files read by a process with limits, planned. Every workflow is a run to come, a
 * run that ends as failure because it cannot be planned, or says why the event does not start it.
 */
import { join } from "node:path";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { Plan, PlanResult } from "../plan/plan.ts";
import type { SelectRequest, Selection } from "../select/select-workflows.ts";
import { textIn } from "./payload.ts";
import { textsOf, WORKFLOWS, workflowsOf } from "./commit-texts.ts";
import type { Happening, Start } from "./event-of-delivery.ts";
import { fp } from "./fail-point.ts";
import { fullName } from "./mirror.ts";
import type { rehearse } from "./rehearse.ts";
import type { NewServerRun } from "./server-store.ts";

/** As `Hearth.select`. */
export type SelectPlans = (request: SelectRequest) => Promise<Pick<Selection, "event" | "results">>;

export interface CommitPlanner {
  readonly select: SelectPlans;
  readonly rehearse: typeof rehearse;
  /** For fetching called workflows and actions. */
  readonly token: (repository: Happening["repository"]) => Promise<string | undefined>;
  /** A job of it deploys to an environment that asks for approval. */
  readonly asksFirst: (plan: Plan) => Promise<boolean>;
}

export interface CheckedOut {
  readonly directory: string;
  readonly sha: string;
  readonly ref: string;
}

export interface PlannedCommit {
  readonly runs: readonly NewServerRun[];
  /** Why a workflow does not start. */
  readonly reasons: readonly string[];
}

/** Throws what `select` throws for trouble that may pass. */
export async function planCommit(
  planner: CommitPlanner,
  happening: Happening,
  start: Start,
  commit: CheckedOut,
): Promise<PlannedCommit> {
  const { directory } = commit;
  const all = await workflowsOf(directory);
  const meant = all.filter((path) => isMeant(path, happening.workflow));
  if (meant.length === 0) return { runs: [], reasons: [`there is no workflow at ${commit.sha}`] };
  const texts = await textsOf(directory, all);
  const refused = await planner.rehearse(texts);
  fp("after_rehearsal");
  const textOf = new Map(texts.map(({ path, text }) => [path, text]));
  const runOf = runsFor(happening, start, commit);
  const refusals = (reasons: ReadonlyMap<string, string>): readonly NewServerRun[] =>
    [...reasons]
      .filter(([path]) => mayStart(start.event, textOf.get(path)))
      .map(([path, reason]) => runOf({ workflow: path, refusal: reason, declaredSteps: 0 }));

  const shared = texts.filter(({ kind, path }) => kind !== "workflow" && refused.has(path)).map(({ path }) => path);
  if (shared.length > 0) {
    const reason = shared.map((path) => `${path}: ${refused.get(path)}`).join("\n");
    return { runs: refusals(new Map(meant.map((path) => [path, reason]))), reasons: [] };
  }
  const broken = new Map(
    meant.flatMap((path) => (refused.has(path) ? [[path, refused.get(path) ?? ""] as const] : [])),
  );
  const sound = meant.filter((path) => !refused.has(path));
  const results: PlanResult[] = [];
  let ref = commit.ref;
  // All at once, unless that would read one that must not be read here.
  const paths = sound.length === all.length ? [directory] : sound.map((path) => join(directory, path));
  try {
    for (const path of paths) {
      const selection = await planner.select({
        path,
        event: start.event,
        payload: happening.payload,
        schedule: start.event === "schedule" ? textIn(happening.payload, "schedule") : undefined,
        job: undefined,
        matrix: [],
        inputs: happening.inputs,
        vars: {},
        githubToken: await planner.token(happening.repository),
        skipUnsupported: false,
        fetch: true,
      });
      results.push(...selection.results);
      ref = selection.event.ref;
    }
  } catch (error) {
    if (!(error instanceof EngineError) || PASSING.includes(error.code)) throw error;
    // Settings that cannot be meant, and the like: of the commit, so that it will not pass.
    return { runs: refusals(new Map(meant.map((path) => [path, error.message]))), reasons: [] };
  }
  const plans = results.flatMap((result) => (result.kind === "planned" ? [result.plan] : []));
  for (const result of results) {
    if (result.kind === "refused")
      broken.set(result.path, result.diagnostics.slice(0, 10).map(formatDiagnostic).join("\n"));
  }
  const asked = await Promise.all(
    plans.map(async (plan) => ((await planner.asksFirst(plan)) ? ({ waitsFor: "environment" } as const) : {})),
  );
  return {
    runs: [
      ...plans.map(({ workflow: { path: workflow }, declaredSteps }, index) =>
        runOf({ workflow, declaredSteps, ref, ...asked[index] }),
      ),
      ...refusals(broken),
    ],
    reasons: results.flatMap((result) =>
      result.kind === "not_triggered" ? [`${result.plan.workflow.path}: ${result.reason}`] : [],
    ),
  };
}

/**
 * Where there is no commit to plan. One that was named by its id gives a run that says so, of all workflows since nobody knows which it
 * would have started; of a name that is gone, or a pull request that moved on, another delivery tells.
 */
export function withoutCommit(happening: Happening, start: Start, reason: string): PlannedCommit {
  const { wanted } = start;
  if (wanted.kind !== "commit") return { runs: [], reasons: [reason] };
  const runOf = runsFor(happening, start, { sha: wanted.sha, ref: fullName(wanted.ref) });
  return {
    runs: [runOf({ workflow: WORKFLOWS, refusal: reason.slice(0, MAX_REFUSAL), declaredSteps: 0 })],
    reasons: [],
  };
}

const MAX_REFUSAL = 1_000;

const PASSING: readonly string[] = ["GIT_FAILED", "ACTION_UNAVAILABLE"];

/** A dispatch names its workflow by its path or by the name of its file. */
function isMeant(path: string, workflow: string | undefined): boolean {
  return workflow === undefined || path === workflow || path.endsWith(`/${workflow}`);
}

/**
 * Of a file that cannot be read nobody knows what starts it. A push always tells, as on GitHub; any other event only where the file speaks of
 * it, or each comment on an issue would fail.
 */
function mayStart(event: string, text: string | undefined): boolean {
  return event === "push" || text === undefined || text.includes(event);
}

type Different = Pick<NewServerRun, "workflow" | "declaredSteps"> &
  Partial<Pick<NewServerRun, "refusal" | "ref" | "waitsFor">>;

function runsFor(
  happening: Happening,
  start: Start,
  { sha, ref }: Omit<CheckedOut, "directory">,
): (run: Different) => NewServerRun {
  const { owner, name } = happening.repository;
  const { actor, pullRequest, inputs } = happening;
  const { event, trust, headSha = sha } = start;
  const repository = `${owner}/${name}`;
  const common = { repository, event, sha, headSha, ref, actor, pullRequest, trust, inputs };
  return ({ refusal, ...run }) => ({
    ...common,
    refusal,
    waitsFor: trust === "outsider" && refusal === undefined ? "approval" : undefined,
    ...run,
  });
}
