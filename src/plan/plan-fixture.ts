/** Workflows and events made by hand, for tests: whole objects, of which a test names only what it is about. */
import { entriesOf, isMapping } from "../context/mapping.ts";
import { isArray } from "../expression/coerce.ts";
import type { Template, Value } from "../expression/template.ts";
import type {
  CallJob,
  ControlStep,
  InputDefinition,
  RunStep,
  StepsJob,
  Trigger,
  UsesStep,
  Workflow,
} from "../workflow/workflow.ts";
import type { CalledWorkflows } from "./called-workflow.ts";
import type { Event } from "./event.ts";

const at = { line: 1, column: 1 };

export function anEvent(members: Partial<Event> = {}): Event {
  return {
    name: "push",
    payload: {},
    sha: "0123456789abcdef0123456789abcdef01234567",
    ref: "refs/heads/main",
    baseRef: "",
    headRef: "",
    actor: "octocat",
    repository: { owner: "octo-org", name: "hello", defaultBranch: "main" },
    changedFiles: undefined,
    headCommitMessage: "",
    ...members,
  };
}

export function aTrigger(members: Partial<Trigger> = {}): Trigger {
  return {
    event: "push",
    at,
    types: undefined,
    branches: undefined,
    branchesIgnore: undefined,
    tags: undefined,
    tagsIgnore: undefined,
    paths: undefined,
    pathsIgnore: undefined,
    workflows: undefined,
    schedules: undefined,
    inputs: undefined,
    outputs: undefined,
    secrets: undefined,
    ...members,
  };
}

export function anInput(name: string, members: Partial<InputDefinition> = {}): InputDefinition {
  return {
    name,
    at: { line: 5, column: 7 },
    type: "string",
    description: undefined,
    required: false,
    default: undefined,
    options: [],
    ...members,
  };
}

/** `declaredSteps` is counted from the jobs unless the test says otherwise. */
export function aWorkflow(members: Partial<Workflow> = {}): Workflow {
  const jobs = members.jobs ?? [];
  return {
    path: ".github/workflows/ci.yml",
    name: "CI",
    runName: undefined,
    triggers: [aTrigger()],
    env: undefined,
    defaults: { shell: undefined, workingDirectory: undefined },
    permissions: undefined,
    concurrency: undefined,
    declaredSteps: jobs.reduce((sum, job) => sum + (job.kind === "steps" ? job.steps.length : 0), 0),
    sizeBytes: 1_000,
    ...members,
    jobs,
  };
}

const job = {
  at,
  name: undefined,
  needs: [],
  needsAt: [],
  condition: { kind: "expression", expression: "success()", source: "success()", at },
  strategy: undefined,
  permissions: undefined,
  concurrency: undefined,
} as const;

export function aJob(id: string, members: Partial<StepsJob> = {}): StepsJob {
  return {
    ...job,
    kind: "steps",
    id,
    runsOn: template("ubuntu-latest"),
    env: undefined,
    defaults: { shell: undefined, workingDirectory: undefined },
    environment: undefined,
    container: undefined,
    services: undefined,
    outputs: undefined,
    timeoutMinutes: undefined,
    continueOnError: undefined,
    steps: [aRunStep(1)],
    ...members,
  };
}

export function aCall(id: string, members: Partial<CallJob> = {}): CallJob {
  return {
    ...job,
    kind: "call",
    id,
    uses: "./.github/workflows/reusable.yml",
    usesAt: at,
    with: undefined,
    secrets: undefined,
    ...members,
  };
}

function step(number: number) {
  return {
    id: `__step_${number}`,
    idGiven: false,
    number,
    at: { line: number, column: 9 },
    name: undefined,
    condition: job.condition,
    env: undefined,
    continueOnError: undefined,
    timeoutMinutes: undefined,
    background: false,
  };
}

export function aRunStep(number: number, members: Partial<RunStep> = {}): RunStep {
  return {
    ...step(number),
    kind: "run",
    run: template("true"),
    shell: undefined,
    workingDirectory: undefined,
    ...members,
  };
}

export function aUsesStep(number: number, uses: string, members: Partial<UsesStep> = {}): UsesStep {
  return { ...step(number), kind: "uses", uses, usesAt: { line: number, column: 15 }, with: undefined, ...members };
}

export function aControlStep(number: number, members: Partial<ControlStep> = {}): ControlStep {
  return { ...step(number), kind: "control", control: "wait-all", targets: [], steps: [], ...members };
}

/** A string that starts with `${{` and ends with `}}` becomes an expression, everything else a literal. */
export function template(value: Value): Template {
  if (isArray(value)) return { kind: "sequence", items: value.map((item) => template(item)), at };
  if (isMapping(value)) {
    const entries = entriesOf(value).map(([key, item]) => ({
      key: { kind: "literal", value: key, at } as const,
      value: template(item),
    }));
    return { kind: "mapping", entries, at };
  }
  const expression = typeof value === "string" ? /^\$\{\{(.*)\}\}$/su.exec(value)?.[1] : undefined;
  if (expression === undefined) return { kind: "literal", value, at };
  return { kind: "expression", expression: expression.trim(), source: String(value), at };
}

/** Nothing can be called. */
export const noCalls: CalledWorkflows = (uses) => ({ kind: "missing", message: `Cannot find the workflow '${uses}'` });
