/** `jobs:`, in the order of the file. Every job is held, whatever is wrong with it. */
import {
  BasicExpressionToken,
  MappingToken,
  type TemplateToken,
} from "@actions/workflow-parser/templates/tokens/index";
import type { MappingTemplate, Template } from "../expression/template.ts";
import { convertCondition } from "./convert-condition.ts";
import { checkConcurrency, checkContainers, checkMatrix, checkRunnerGroup } from "./check-job.ts";
import { convertNeeds, type Needs, NO_NEEDS } from "./convert-needs.ts";
import { convertSteps } from "./convert-steps.ts";
import type { Faults } from "./faults.ts";
import { convertPermissions } from "./permissions.ts";
import { faultOfId } from "./step-ids.ts";
import { entriesOf, textOf, type TokenEntry, valueAt } from "./token-access.ts";
import { placeOf, toMappingTemplate, toTemplate } from "./to-template.ts";
import type { Job, RunDefaults, Strategy } from "./workflow.ts";

export function convertJobs(token: TemplateToken, faults: Faults): readonly Job[] {
  const entries = entriesOf(token);
  const needs = convertNeeds(token, entries, faults);
  return entries.map((entry) => convertJob(entry, needs.get(entry.name) ?? NO_NEEDS, faults));
}

export function convertDefaults(token: TemplateToken | undefined, faults: Faults): RunDefaults {
  const run = valueAt(token, "run");
  return {
    shell: optional(valueAt(run, "shell"), faults),
    workingDirectory: optional(valueAt(run, "working-directory"), faults),
  };
}

export function optional(token: TemplateToken | undefined, faults: Faults): Template | undefined {
  return token === undefined ? undefined : toTemplate(token, faults);
}

function convertJob({ name: id, key, value: job }: TokenEntry, needs: Needs, faults: Faults): Job {
  const idFault = faultOfId(id);
  if (idFault !== undefined) faults.error(key, idFault);
  const template = (name: string): Template | undefined => optional(valueAt(job, name), faults);
  const base = {
    id,
    at: placeOf(key),
    name: nameOf(valueAt(job, "name"), faults),
    ...needs,
    condition: convertCondition(valueAt(job, "if"), placeOf(key), faults),
    strategy: convertStrategy(valueAt(job, "strategy"), faults),
    permissions: convertPermissions(valueAt(job, "permissions")),
    concurrency: template("concurrency"),
  };
  checkConcurrency(valueAt(job, "concurrency"), faults);
  const uses = valueAt(job, "uses");
  if (uses !== undefined) {
    const secrets = valueAt(job, "secrets");
    return {
      ...base,
      kind: "call",
      uses: textOf(uses) ?? "",
      usesAt: placeOf(uses),
      with: template("with"),
      secrets: textOf(secrets) === "inherit" ? "inherit" : optional(secrets, faults),
    };
  }
  checkContainers(job, faults);
  checkRunnerGroup(valueAt(job, "runs-on"), faults);
  for (const ignored of ["snapshot", "cancel-timeout-minutes"]) {
    const token = valueAt(job, ignored);
    if (token !== undefined) faults.warn(token, `'${ignored}' has no effect here`);
  }
  return {
    ...base,
    kind: "steps",
    runsOn: template("runs-on") ?? { kind: "literal", value: null, at: placeOf(key) },
    env: template("env"),
    defaults: convertDefaults(valueAt(job, "defaults"), faults),
    environment: template("environment"),
    container: template("container"),
    services: template("services"),
    outputs: outputsOf(valueAt(job, "outputs"), faults),
    timeoutMinutes: template("timeout-minutes"),
    continueOnError: template("continue-on-error"),
    cancelTimeoutMinutes: template("cancel-timeout-minutes"),
    snapshot: template("snapshot"),
    steps: convertSteps(valueAt(job, "steps"), faults),
  };
}

/** An empty name is no name, and then the id is shown. */
function nameOf(token: TemplateToken | undefined, faults: Faults): Template | undefined {
  return textOf(token) === "" ? undefined : optional(token, faults);
}

function outputsOf(token: TemplateToken | undefined, faults: Faults): MappingTemplate | undefined {
  return token instanceof MappingToken ? toMappingTemplate(token, faults) : undefined;
}

/** `strategy: ${{ … }}` gives the whole mapping at once; its parts are read from the value then. */
function convertStrategy(token: TemplateToken | undefined, faults: Faults): Strategy | undefined {
  if (token === undefined) return undefined;
  const part = (name: string): Template | undefined => {
    if (!(token instanceof BasicExpressionToken)) return optional(valueAt(token, name), faults);
    const expression = `(${token.expression})['${name}']`;
    return { kind: "expression", expression, source: `\${{ ${token.expression} }}`, at: placeOf(token) };
  };
  checkMatrix(valueAt(token, "matrix"), faults);
  const template = toTemplate(token, faults);
  return { template, matrix: part("matrix"), failFast: part("fail-fast"), maxParallel: part("max-parallel") };
}
