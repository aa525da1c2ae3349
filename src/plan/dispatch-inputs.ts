/**
 * Inputs of `workflow_dispatch`: text from the command line or the API to typed values, with choices checked, required ones
 * asked for and defaults filled in. `inputs` shows the values with their types, `github.event.inputs` all of them as strings.
 * The limit of 25 inputs is the reader's. Source: ACTIONS-CONTRACT §1.4 and §7.2, GitHub "Workflow syntax",
 * on.workflow_dispatch.inputs.
 */
import { member } from "../context/mapping.ts";
import { toText } from "../expression/coerce.ts";
import type { Scope } from "../expression/evaluate.ts";
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { ObjectValue } from "../expression/ordered-object.ts";
import type { Value } from "../expression/template.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { InputDefinition, Trigger, Workflow } from "../workflow/workflow.ts";
import { defaultOf, emptyValue, InputFault, withInputs } from "./input-values.ts";
import type { InputValue } from "./input-values.ts";

export type DispatchInputs =
  | { readonly kind: "inputs"; readonly inputs: ObjectValue; readonly eventInputs: ObjectValue }
  /** `fault`: what was given is wrong; else a default in the file is. */
  | { readonly kind: "refused"; readonly fault?: "inputs"; readonly diagnostics: readonly Diagnostic[] };

/** GitHub's figure for the inputs of one dispatch: characters, not bytes, of the object that they are in, as compact JSON. */
const MAX_CHARACTERS = 65_535;

/** `given` is what a person wrote; names are case-insensitive. Defaults may read `github` and `vars`, and inputs before them. */
export function dispatchInputs(
  workflow: Workflow,
  trigger: Trigger,
  given: { readonly [name: string]: string },
  contexts: Scope["contexts"],
): DispatchInputs {
  const definitions = trigger.inputs ?? [];
  const diagnostics = faultsOfNames(workflow, trigger, definitions, given);
  let isGiven = diagnostics.length > 0;
  const inputs: [string, Value][] = [];
  for (const definition of definitions) {
    const value = valueOf(definition, given, withInputs(contexts, inputs));
    if (value instanceof InputFault) {
      if (!value.ofDefault) isGiven = true;
      const key = `on.workflow_dispatch.inputs.${definition.name}`;
      diagnostics.push({ kind: "error", file: workflow.path, at: definition.at, key, message: value.message });
    } else {
      inputs.push([definition.name, value]);
    }
  }
  if (diagnostics.length > 0) return { kind: "refused", ...(isGiven && { fault: "inputs" }), diagnostics };
  const texts = inputs.map(([name, value]) => [name, toText(value)] as const);
  return { kind: "inputs", inputs: objectFromEntries(inputs), eventInputs: objectFromEntries(texts) };
}

function faultsOfNames(
  workflow: Workflow,
  trigger: Trigger,
  definitions: readonly InputDefinition[],
  given: { readonly [name: string]: string },
): Diagnostic[] {
  const fault = (message: string): Diagnostic => {
    return { kind: "error", file: workflow.path, at: trigger.at, key: "on.workflow_dispatch.inputs", message };
  };
  const known = new Set(definitions.map((definition) => definition.name.toLowerCase()));
  const names = definitions.map((definition) => definition.name).join(", ") || "none";
  const faults = Object.keys(given)
    .filter((name) => !known.has(name.toLowerCase()))
    .map((name) => fault(`Unexpected input '${name}'; the workflow has: ${names}`));
  const length = Array.from(JSON.stringify(given)).length;
  if (length > MAX_CHARACTERS)
    faults.push(fault(`Inputs are ${length} characters long; the limit is ${MAX_CHARACTERS}`));
  return faults;
}

function valueOf(
  definition: InputDefinition,
  given: { readonly [name: string]: string },
  contexts: Scope["contexts"],
): InputValue | InputFault {
  const text = member(given, definition.name);
  // As on GitHub an empty text is no answer where one is required, nor where only some answers are right.
  const takesEmpty = definition.type === "string" && !definition.required;
  if (typeof text === "string" && (text !== "" || takesEmpty)) return typed(definition, text, "value");
  const standard = defaultOf(definition, contexts);
  if (standard instanceof InputFault) return standard;
  if (toText(standard) !== "") return typed(definition, toText(standard), "default");
  // A check box that nobody ticked is an answer.
  if (definition.required && definition.type !== "boolean") {
    const { name } = definition;
    return new InputFault(`Required input '${name}' not provided; give it with --input ${name}=VALUE`);
  }
  return emptyValue(definition.type);
}

function typed(definition: InputDefinition, text: string, what: "value" | "default"): InputValue | InputFault {
  const { name, type, options } = definition;
  const wrong = (wanted: string): InputFault =>
    new InputFault(
      `The ${what} '${text.slice(0, MAX_QUOTED)}' of input '${name}' is not ${wanted}`,
      what === "default",
    );
  switch (type) {
    case "boolean":
      return /^(?:true|false)$/iu.test(text) ? text.toLowerCase() === "true" : wrong("true or false");
    case "number":
      return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : wrong("a number");
    case "choice":
      return options.includes(text) ? text : wrong(`one of: ${options.join(", ")}`);
    case "string":
    case "environment":
      return text;
    default:
      return unreachable(type);
  }
}

const MAX_QUOTED = 100;
