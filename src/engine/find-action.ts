/**
 * What a `uses` stands for when its step is reached. Which way it runs was planned. An action of another repository is as it was
 * delivered; a local manifest is read again, from the workspace, because a step before it may have written it, and one that
 * cannot run is refused here.
 */
import type { ActionManifest } from "../action/manifest.ts";
import { translatedText } from "../action/translated-way.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { Way } from "../plan/plan.ts";
import type { Step, UsesStep } from "../workflow/workflow.ts";
import { actionInputs } from "./action-inputs.ts";
import { deliverActions } from "./deliver-actions.ts";
import type { JavascriptAction } from "./execute-javascript.ts";
import { remoteActionOf, remoteOf } from "./known-action.ts";
import type { KnownAction } from "./known-action.ts";
import { loadManifest } from "./load-manifest.ts";
import type { StepRun } from "./step-run.ts";

export interface CompositeAction extends KnownAction {
  readonly runs: Extract<ActionManifest["runs"], { kind: "composite" }>;
  readonly inputs: Readonly<Record<string, string>>;
}

export type FoundAction =
  | { readonly kind: "checkout" }
  | ({ readonly kind: "javascript" } & JavascriptAction)
  | ({ readonly kind: "composite" } & CompositeAction)
  | { readonly kind: "refused"; readonly message: string };

/** Also logs the step's head: what it uses and with which inputs. Throws `ExpressionError` from an input's default. */
export async function findAction(
  run: StepRun,
  step: UsesStep,
  way: Way,
  given: Readonly<Record<string, string>>,
): Promise<FoundAction> {
  if (way.kind === "builtin" && way.builtin === "checkout") {
    logHead(run, step.uses, given);
    return { kind: "checkout" };
  }
  if (way.kind === "unsupported") return { kind: "refused", message: `${way.what} is unsupported: ${way.fix}` };
  if (way.kind === "run" || way.kind === "control") throw new Error(`'${step.uses}' was planned as ${way.kind}`);
  const known = remoteActionOf(run.job, way) ?? (await localAction(run, step, way));
  if ("kind" in known) return known;

  const { runs } = known.manifest;
  if (runs.kind === "docker") return refuseDocker(step.uses);
  const planned = way.kind === "builtin" ? "javascript" : way.kind === "translated" ? "composite" : way.kind;
  if (known.action !== undefined && runs.kind !== planned) {
    return { kind: "refused", message: `'${step.uses}' was planned as ${planned} and is ${runs.kind}` };
  }
  const { values: inputs, warnings } = await actionInputs(run, known.manifest, given);
  logHead(run, step.uses, inputs, way.kind === "translated" ? translatedText(way.by) : undefined);
  for (const warning of warnings) run.log.warning(warning);
  // Its programs come from Hearth, and to them it is the action that it stands for.
  const action = way.kind === "builtin" ? remoteOf(way, step) : known.action;
  return runs.kind === "javascript"
    ? { kind: "javascript", ...known, action, runs, inputs }
    : { kind: "composite", ...known, runs, inputs };
}

export type ChildWays =
  | { readonly kind: "ways"; readonly ways: readonly Way[] }
  | { readonly kind: "refused"; readonly message: string };

/** The ways of a composite's steps, in their order, with everything in the machine that they need. */
export async function childWays(run: StepRun, way: Way, { runs, action }: CompositeAction): Promise<ChildWays> {
  if (action !== undefined && (way.kind === "composite" || way.kind === "translated")) {
    const ways = way.steps.map((step) => step.way);
    if (ways.length === runs.steps.length) return { kind: "ways", ways };
    return {
      kind: "refused",
      message: `The action was planned with ${ways.length} steps and has ${runs.steps.length}`,
    };
  }
  // The manifest was read from the workspace just now, and need not be the one that was planned.
  const choose = (step: Step): Promise<Way> => run.job.actions.chooseWay(step, undefined);
  const ways = await Promise.all(runs.steps.map(choose));
  const delivery = await deliverActions(run.job, run.log, ways, run.job.kill);
  switch (delivery.kind) {
    case "delivered":
      return { kind: "ways", ways };
    case "failed":
      return { kind: "refused", message: delivery.message };
    case "stopped":
      return { kind: "refused", message: "The run was ended at once" };
    default:
      return unreachable(delivery);
  }
}

type Refused = Extract<FoundAction, { kind: "refused" }>;

async function localAction({ job }: StepRun, step: UsesStep, way: Way): Promise<KnownAction | Refused> {
  if (!("path" in way)) throw new Error(`'${step.uses}' was planned as ${way.kind}`);
  const { path } = way;
  const { layout, agent } = job.machine;
  const directory = path === "." ? layout.workspace : `${layout.workspace}/${path}`;
  const loaded = await loadManifest(agent, directory, path);
  switch (loaded.kind) {
    case "loaded":
      return { manifest: loaded.manifest, directory, action: undefined };
    case "missing": {
      const message = `Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '${directory}'. Did you forget to run actions/checkout before running your local action?`;
      return { kind: "refused", message };
    }
    case "dockerfile":
      return refuseDocker(step.uses);
    case "refused":
      return loaded;
    default:
      return unreachable(loaded);
  }
}

function refuseDocker(uses: string): Refused {
  return { kind: "refused", message: `'${uses}' is unsupported: docker actions cannot run yet` };
}

/** As GitHub's runner shows it: what has a value, defaults too. */
export function logHead(run: StepRun, uses: string, inputs: Readonly<Record<string, string>>, note?: string): void {
  const { log, job, env } = run;
  log.group(`Run ${uses}`);
  if (note !== undefined) log.line(note);
  logMapping(log, "with:", inputs);
  logMapping(log, "env:", { ...job.state.env, ...env });
  log.groupEnd();
}

function logMapping(log: StepRun["log"], title: string, values: Readonly<Record<string, string>>): void {
  const entries = Object.entries(values).filter(([, value]) => value !== "");
  if (entries.length > 0) log.line(title);
  for (const [name, value] of entries) log.line(`  ${name}: ${value}`);
}
