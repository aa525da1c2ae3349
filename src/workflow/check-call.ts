/**
 * Whether a job may call a workflow as it does: required inputs and secrets are given, none is given that the workflow
 * does not know, what is given literally is of the declared type, and the workflow asks for no more permissions than
 * its caller has. Values of expressions are checked where they are known. The messages are GitHub's, and so is their
 * order: see its cases `errors-reusable-workflow-*`. How many workflows a run may call is `call-limits.ts`'s.
 */
import { emptyJobs } from "./empty-jobs.ts";
import { numberToText } from "../expression/number-text.ts";
import type { Template } from "../expression/template.ts";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";
import {
  type DefaultPermissions,
  effectivePermissions,
  excessPermissions,
  type Permissions,
  type PermissionsLink,
} from "./permissions.ts";
import type { CallJob, InputDefinition, Job, Workflow } from "./workflow.ts";

/** `file` is the caller's, where most of the faults are; jobs without steps and wrong defaults are the called workflow's. */
export function checkCall(file: string, job: CallJob, called: Workflow): readonly Diagnostic[] {
  const fault: Fault = (at, key, message) => ({ kind: "error", file, at, key: `jobs.${job.id}.${key}`, message });
  const trigger = called.triggers.find(({ event }) => event === "workflow_call");
  if (trigger === undefined) {
    return [fault(job.usesAt, "uses", "workflow_call key is not defined in the referenced workflow.")];
  }
  return [
    ...emptyJobs(called),
    ...checkInputs(trigger.inputs ?? [], job, called.path, fault),
    ...(job.secrets === "inherit" ? [] : checkSecrets(trigger.secrets ?? [], job.secrets, job, fault)),
  ];
}

/**
 * `chain` leads from a job of the workflow that the event started to `job`, which it ends with. What the workflow and
 * its jobs do not ask for themselves they have from their caller, so only what they write can be too much.
 */
export function checkCallPermissions(
  { file, job, called }: { readonly file: string; readonly job: CallJob; readonly called: Workflow },
  chain: readonly PermissionsLink[],
  byDefault: DefaultPermissions = "restricted",
): readonly Diagnostic[] {
  const allowed = effectivePermissions(chain, byDefault);
  const check = (who: string, asked: Permissions | undefined): readonly Diagnostic[] => {
    const excess = asked === undefined ? [] : excessPermissions(asked, allowed);
    if (excess.length === 0) return [];
    const wanted = excess.map((it) => `${it.scope}: ${it.asked}`).join(", ");
    const most = excess.map((it) => `${it.scope}: ${it.allowed}`).join(", ");
    const message = `Error calling workflow '${job.uses}'. ${who} is requesting '${wanted}', but is only allowed '${most}'.`;
    return [{ kind: "error", file, at: job.at, key: `jobs.${job.id}`, message }];
  };
  return [
    ...check(`The workflow '${job.uses}'`, called.permissions),
    ...called.jobs.flatMap((inner) => check(`The nested job '${nameOf(inner)}'`, inner.permissions)),
  ];
}

type Fault = (at: Position, key: string, message: string) => Diagnostic;

function checkInputs(
  definitions: readonly InputDefinition[],
  job: CallJob,
  calledFile: string,
  fault: Fault,
): readonly Diagnostic[] {
  const given = givenIn(job.with);
  if (given === undefined) return []; // known only when it is evaluated
  const ofDefinitions = definitions.flatMap((definition) => {
    const { name, type, required, default: byDefault } = definition;
    const value = find(given, name);
    const inDefault = byDefault === undefined ? undefined : faultOfValue(byDefault, type);
    const inValue = value === undefined ? undefined : faultOfValue(value.value, type);
    const key = `on.workflow_call.inputs.${name}.default`;
    return [
      ...(byDefault === undefined || inDefault === undefined
        ? []
        : [{ kind: "error" as const, file: calledFile, at: byDefault.at, key, message: inDefault }]),
      ...(value === undefined || inValue === undefined ? [] : [fault(value.value.at, `with.${value.name}`, inValue)]),
      ...(value === undefined && required
        ? [fault(job.usesAt, "uses", `Input ${name} is required, but not provided while calling.`)]
        : []),
    ];
  });
  return [...ofDefinitions, ...unknown("input", "with", definitions, given, fault)];
}

function checkSecrets(
  definitions: readonly { readonly name: string; readonly required: boolean }[],
  secrets: Template | undefined,
  job: CallJob,
  fault: Fault,
): readonly Diagnostic[] {
  const given = givenIn(secrets);
  if (given === undefined) return [];
  const missing = definitions.filter(({ name, required }) => required && find(given, name) === undefined);
  return [
    ...missing.map(({ name }) =>
      fault(job.usesAt, "uses", `Secret ${name} is required, but not provided while calling.`),
    ),
    ...unknown("secret", "secrets", definitions, given, fault),
  ];
}

interface Given {
  readonly name: string;
  readonly value: Template;
}

function unknown(
  what: "input" | "secret",
  key: "with" | "secrets",
  definitions: readonly { readonly name: string }[],
  given: readonly Given[],
  fault: Fault,
): readonly Diagnostic[] {
  return given
    .filter(({ name }) => find(definitions, name) === undefined)
    .map(({ name, value }) => {
      return fault(value.at, `${key}.${name}`, `Invalid ${what}, ${name} is not defined in the referenced workflow.`);
    });
}

/** A text is any scalar; a boolean in quotes is a text and no boolean. */
function faultOfValue(template: Template, type: InputDefinition["type"]): string | undefined {
  if (template.kind !== "literal" || (type !== "boolean" && type !== "number")) return undefined;
  const { value } = template;
  if (typeof value === type) return undefined;
  return `Unexpected value '${typeof value === "number" ? numberToText(value) : (value ?? "")}'`;
}

/** Undefined where the whole is an expression. */
function givenIn(template: Template | undefined): readonly Given[] | undefined {
  if (template === undefined) return [];
  if (template.kind !== "mapping") return undefined;
  return template.entries.map(({ key, value }) => ({
    name: key.kind === "literal" ? String(key.value) : key.source,
    value,
  }));
}

function find<T extends { readonly name: string }>(list: readonly T[], name: string): T | undefined {
  return list.find((it) => it.name.toLowerCase() === name.toLowerCase());
}

function nameOf({ id, name }: Job): string {
  if (name === undefined || name.kind === "mapping" || name.kind === "sequence") return id;
  return name.kind === "literal" ? String(name.value) : name.source;
}
