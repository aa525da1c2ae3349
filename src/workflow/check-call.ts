/**
 * Whether a job may call a workflow as it does: inputs and secrets that are required are given, and none is given that
 * the workflow does not know. The messages are GitHub's.
 */
import type { MappingTemplate, Template } from "../expression/template.ts";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";
import type { CallJob, Workflow } from "./workflow.ts";

/** `file` is the caller's, where all of the faults are. */
export function checkCall(file: string, job: CallJob, called: Workflow): readonly Diagnostic[] {
  const fault = (at: Position, message: string): Diagnostic => ({
    kind: "error",
    file,
    at,
    key: `jobs.${job.id}.uses`,
    message,
  });
  const trigger = called.triggers.find(({ event }) => event === "workflow_call");
  if (trigger === undefined) return [fault(job.usesAt, "workflow_call key is not defined in the referenced workflow.")];
  return [
    ...compare("input", trigger.inputs ?? [], job.with, job.usesAt, fault),
    ...(job.secrets === "inherit" ? [] : compare("secret", trigger.secrets ?? [], job.secrets, job.usesAt, fault)),
  ];
}

function compare(
  what: "input" | "secret",
  defined: readonly { readonly name: string; readonly required: boolean }[],
  given: Template | undefined,
  callAt: Position,
  fault: (at: Position, message: string) => Diagnostic,
): readonly Diagnostic[] {
  if (given !== undefined && given.kind !== "mapping") return []; // known only when it is evaluated
  const names = namesIn(given);
  const isDefined = (name: string): boolean => defined.some((it) => it.name.toLowerCase() === name.toLowerCase());
  const isGiven = (name: string): boolean => names.some((it) => it.name.toLowerCase() === name.toLowerCase());
  const label = what === "input" ? "Input" : "Secret";
  return [
    ...defined
      .filter(({ name, required }) => required && !isGiven(name))
      .map(({ name }) => fault(callAt, `${label} ${name} is required, but not provided while calling.`)),
    ...names
      .filter(({ name }) => !isDefined(name))
      .map(({ name, at }) => fault(at, `Invalid ${what}, ${name} is not defined in the referenced workflow.`)),
  ];
}

function namesIn(given: MappingTemplate | undefined): readonly { readonly name: string; readonly at: Position }[] {
  return (given?.entries ?? []).map(({ key, value }) => ({
    name: key.kind === "literal" ? String(key.value) : key.source,
    at: value.at,
  }));
}
