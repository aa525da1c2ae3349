/**
 * Workflow and event to plan: whether it starts, with which inputs, which jobs in which order, which matrix cells, and the way
 * each step will run. Every declared step is in the plan or the plan is refused; nothing is dropped silently.
 * Pure. What Hearth cannot run yet is planned like the rest and named by `unsupported.ts`. Source: DESIGN §1.1 and §2.3.
 */
import { githubContext } from "../context/github-context.ts";
import { entriesOf, isMapping } from "../context/mapping.ts";
import { toText } from "../expression/coerce.ts";
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { emptyJobs } from "../workflow/empty-jobs.ts";
import type { Workflow } from "../workflow/workflow.ts";
import { filterConflicts } from "./filter-conflicts.ts";
import { dispatchInputs } from "./dispatch-inputs.ts";
import type { CalledWorkflows } from "./called-workflow.ts";
import type { Event } from "./event.ts";
import { matchTrigger } from "./match-trigger.ts";
import type { TriggerMatch } from "./match-trigger.ts";
import { planWarnings } from "./plan-warnings.ts";
import { withNeeds } from "./order-jobs.ts";
import { selectCells } from "./plan-cells.ts";
import type { MatrixSelection } from "./plan-cells.ts";
import { countSteps, planJobs } from "./plan-jobs.ts";
import type { WayChooser } from "./plan-jobs.ts";
import type { Plan, PlannedJob, PlanResult, WorkflowOrigin } from "./plan.ts";
import type { RunnerMap } from "./runner-map.ts";
import { unsupportedInPlan } from "./unsupported.ts";

export interface PlanRequest {
  readonly event: Event;
  /** As a person wrote them; for `workflow_dispatch` only. */
  readonly inputs: { readonly [name: string]: string };
  readonly vars: { readonly [name: string]: string };
  readonly chooseWay: WayChooser;
  readonly called: CalledWorkflows;
  readonly runners: RunnerMap;
  readonly select: Selection;
  /** What reading the file had to say; handed on. */
  readonly warnings: readonly Diagnostic[];
}

interface Selection {
  /** This job, in any case, and everything it needs; undefined: all. */
  readonly job: string | undefined;
  readonly matrix: readonly MatrixSelection[];
}

export function planWorkflow(workflow: Workflow, request: PlanRequest): PlanResult {
  const conflicts = [...filterConflicts(workflow), ...emptyJobs(workflow)];
  if (conflicts.length > 0) return { kind: "refused", path: workflow.path, diagnostics: conflicts };
  const match = matchTrigger(workflow, request.event);
  const start = withInputs(workflow, match, request);
  if (isRefused(start)) return start;
  const github = githubContext({ event: start.event, workflow });
  const known = { github, vars: objectFromEntries(Object.entries(request.vars)) };
  // Nobody has given the inputs of a workflow that does not start, or that another one calls.
  const hasInputs = match.matched && match.trigger.event !== "workflow_call";
  const { event } = start;
  const jobs = planJobs(workflow, {
    origin: originOf(workflow, event),
    contexts: known,
    inputs: hasInputs ? start.inputs : undefined,
    starts: match.matched,
    chooseWay: request.chooseWay,
    called: request.called,
  });
  if (jobs.kind === "refused") return { ...jobs, path: workflow.path };
  const choice = select(workflow, jobs.planned.jobs, request.select);
  if (isRefused(choice) && match.matched) return asked("selection", choice);
  // What was chosen is often not in the other files of a directory; those that do not start need not have it.
  const selected = isRefused(choice) ? jobs.planned.jobs : choice;

  const { declared, held } = countSteps(selected);
  const plan: Plan = { workflow, ...start, jobs: selected, declaredSteps: declared, heldSteps: held };
  const warnings = [
    ...request.warnings,
    ...jobs.warnings,
    ...planWarnings(plan, request.select.matrix),
    ...unsupportedInPlan(hasInputs ? plan : { ...plan, inputs: undefined }, request),
  ];
  return match.matched
    ? { kind: "planned", plan, warnings }
    : { kind: "not_triggered", plan, warnings, reason: match.reason };
}

/** Of the file that the event starts: the run's own repository at its commit. */
export function originOf({ path }: Workflow, { repository, ref, sha }: Event): WorkflowOrigin {
  return { repository: `${repository.owner}/${repository.name}`, path, ref, sha };
}

type Refused = Extract<PlanResult, { kind: "refused" }>;

function withInputs(
  workflow: Workflow,
  match: TriggerMatch,
  { event, inputs, vars }: PlanRequest,
): Pick<Plan, "event" | "inputs"> | Refused {
  if (!match.matched) return { event, inputs: objectFromEntries([]) };
  if (event.name !== "workflow_dispatch") {
    const [name] = Object.keys(inputs);
    if (name === undefined) return { event, inputs: objectFromEntries([]) };
    return asked(
      "inputs",
      refuse(
        workflow,
        match.trigger,
        `on.${event.name}`,
        `Input '${name}' is for workflow_dispatch; the event is ${event.name}`,
      ),
    );
  }
  const payloadInputs = event.payload["inputs"];
  const delivered = isMapping(payloadInputs)
    ? entriesOf(payloadInputs).map(([name, value]) => [name, toText(value)])
    : [];
  const given: { readonly [name: string]: string } = { ...Object.fromEntries(delivered), ...inputs };
  const contexts = { github: githubContext({ event, workflow }), vars: objectFromEntries(Object.entries(vars)) };
  const dispatched = dispatchInputs(workflow, match.trigger, given, contexts);
  if (dispatched.kind === "refused") return { ...dispatched, path: workflow.path };
  const payload = objectFromEntries([...Object.entries(event.payload), ["inputs", dispatched.eventInputs]]);
  return { event: { ...event, payload }, inputs: dispatched.inputs };
}

function select(
  workflow: Workflow,
  planned: readonly PlannedJob[],
  { job: id, matrix }: Selection,
): readonly PlannedJob[] | Refused {
  let kept = planned;
  if (id !== undefined) {
    const jobs = planned.map(({ job }) => job);
    const wanted = jobs.find((job) => job.id.toLowerCase() === id.toLowerCase());
    if (wanted === undefined) {
      return refuse(
        workflow,
        undefined,
        "jobs",
        `There is no job '${id}'; there are: ${jobs.map((job) => job.id).join(", ")}`,
      );
    }
    const needed = new Set(withNeeds(jobs, wanted));
    kept = planned.filter(({ job }) => needed.has(job));
  }
  const selected = selectCells(kept, matrix);
  return typeof selected === "string" ? refuse(workflow, undefined, "jobs", selected) : selected;
}

function isRefused(result: object): result is Refused {
  return "kind" in result && result.kind === "refused";
}

/** What was asked is wrong, rather than the file. */
function asked(fault: "selection" | "inputs", refused: Refused): Refused {
  return { ...refused, fault };
}

function refuse(
  workflow: Workflow,
  place: { readonly at: Diagnostic["at"] } | undefined,
  key: string,
  message: string,
): Refused {
  return {
    kind: "refused",
    path: workflow.path,
    diagnostics: [{ kind: "error", file: workflow.path, at: place?.at, key, message }],
  };
}
