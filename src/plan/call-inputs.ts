/**
 * Inputs of a called workflow: what the caller's `with:` came to, checked against the types it declares. Unlike those of a
 * dispatch they are not text: a boolean must be one, `"true"` is refused, and only a string takes every scalar.
 * Messages begin as GitHub's. Source: ACTIONS-CONTRACT §1.4, GitHub "Reuse workflows", and the cases
 * `reusable-workflow-job-inputs-type-coercion` and `errors-reusable-workflow-job-inputs-*` of its parser.
 */
import { entriesOf, member } from "../context/mapping.ts";
import { isArray, isCollection, toText } from "../expression/coerce.ts";
import type { Scope } from "../expression/evaluate.ts";
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { ObjectValue } from "../expression/ordered-object.ts";
import type { Value } from "../expression/template.ts";
import type { InputDefinition, Trigger } from "../workflow/workflow.ts";
import { defaultOf, emptyValue, InputFault, withInputs } from "./input-values.ts";
import type { InputValue } from "./input-values.ts";

export type CallInputs =
  /** Every declared input, spelled and ordered as declared. */
  | { readonly kind: "inputs"; readonly inputs: ObjectValue }
  /** `input` is the name that the message is about, as the caller wrote it where it was given. */
  | { readonly kind: "refused"; readonly input: string; readonly message: string };

/**
 * `given` is the evaluated `with:`; names are found whatever their case. `contexts` are `github` and `vars`; a default may also
 * read the inputs before it. The first fault is returned.
 */
export function callInputs(
  trigger: Trigger,
  given: { readonly [name: string]: Value },
  contexts: Scope["contexts"],
): CallInputs {
  const definitions = trigger.inputs ?? [];
  for (const [name] of entriesOf(given)) {
    if (definitions.some((definition) => definition.name.toLowerCase() === name.toLowerCase())) continue;
    return refuse(name, `Invalid input, ${name} is not defined in the referenced workflow`);
  }
  const inputs: [string, Value][] = [];
  for (const definition of definitions) {
    const value = valueOf(definition, given, withInputs(contexts, inputs));
    if (value instanceof InputFault) return refuse(definition.name, value.message);
    inputs.push([definition.name, value]);
  }
  return { kind: "inputs", inputs: objectFromEntries(inputs) };
}

function valueOf(
  definition: InputDefinition,
  given: { readonly [name: string]: Value },
  contexts: Scope["contexts"],
): InputValue | InputFault {
  const value = member(given, definition.name);
  if (value !== undefined) return typed(definition, value, "input");
  if (definition.required) {
    return new InputFault(`Input ${definition.name} is required, but not provided while calling`);
  }
  if (definition.default === undefined) return emptyValue(definition.type);
  const standard = defaultOf(definition, contexts);
  return standard instanceof InputFault ? standard : typed(definition, standard, "default of input");
}

function typed({ name, type }: InputDefinition, value: Value, what: string): InputValue | InputFault {
  if (isCollection(value)) {
    return new InputFault(`A ${isArray(value) ? "sequence" : "mapping"} was not expected for the ${what} '${name}'`);
  }
  if (type === "boolean" || type === "number") {
    if (typeof value === "boolean" && type === "boolean") return value;
    if (typeof value === "number" && type === "number") return value;
    return new InputFault(
      `Unexpected value '${toText(value).slice(0, MAX_QUOTED)}' for the ${what} '${name}', which is a ${type}${hint(type, value)}`,
    );
  }
  return toText(value);
}

const MAX_QUOTED = 100;

/** Outputs of jobs and the inputs of `github.event` are text, which is what most of these faults come from. */
function hint(type: "boolean" | "number", value: Value): string {
  if (typeof value !== "string" || value === "") return "";
  return type === "boolean" ? "; text becomes one with `== 'true'`" : "; text becomes one with `fromJSON(…)`";
}

function refuse(input: string, message: string): CallInputs {
  return { kind: "refused", input, message };
}
