/** What inputs of `workflow_dispatch` and `workflow_call` have in common: the default that stands for no answer, and its absence. */
import { evaluate, ExpressionError } from "../expression/evaluate.ts";
import type { Scope } from "../expression/evaluate.ts";
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { Value } from "../expression/template.ts";
import type { InputDefinition } from "../workflow/workflow.ts";

export type InputValue = string | number | boolean;

/** The input has no value that could stand for it; `message` is a sentence without its full stop. */
export class InputFault {
  readonly message: string;
  /** What the file has as its default is wrong, not what somebody gave. */
  readonly ofDefault: boolean;

  constructor(message: string, ofDefault = false) {
    this.message = message;
    this.ofDefault = ofDefault;
  }
}

/** Contexts a default may read: those given, and the inputs that stand before it. */
export function withInputs(contexts: Scope["contexts"], inputs: readonly (readonly [string, Value])[]) {
  return { ...contexts, inputs: objectFromEntries(inputs) };
}

/** Null where the definition has no default. */
export function defaultOf(definition: InputDefinition, contexts: Scope["contexts"]): Value | InputFault {
  if (definition.default === undefined) return null;
  try {
    return evaluate(definition.default, { contexts, functions: {} });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return new InputFault(`Default of input '${definition.name}': ${error.message}`, true);
  }
}

/** What GitHub shows for an input that nobody answered and that has no default. */
export function emptyValue(type: InputDefinition["type"]): InputValue {
  if (type === "boolean") return false;
  return type === "number" ? 0 : "";
}
