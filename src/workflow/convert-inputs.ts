/**
 * Inputs of `workflow_dispatch` and `workflow_call`. A dispatch's default of another type than declared is read as the
 * declared one: GitHub's service takes `type: boolean` with `default: "false"` and says nothing, its reader here does
 * not. One that cannot be read so is ignored, with a warning. A call's stays as it is written: GitHub refuses it when the workflow is called (`check-call.ts`).
 */
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import { numberToText, textToNumber } from "../expression/number-text.ts";
import type { LiteralTemplate, Template } from "../expression/template.ts";
import type { Faults } from "./faults.ts";
import { entriesOf, isTrue, textListOf, textOf, type TokenEntry, valueAt } from "./token-access.ts";
import { placeOf, toTemplate } from "./to-template.ts";
import type { InputDefinition } from "./workflow.ts";

/** GitHub's, of a dispatch only. */
const DISPATCH_INPUTS = 25;

export type InputEvent = "workflow_dispatch" | "workflow_call";

export function convertInputs(
  event: InputEvent,
  token: TemplateToken | undefined,
  faults: Faults,
): readonly InputDefinition[] {
  const entries = entriesOf(token);
  if (event === "workflow_dispatch" && entries.length > DISPATCH_INPUTS) {
    faults.error(token, `you may only define up to ${DISPATCH_INPUTS} \`inputs\` for a \`workflow_dispatch\` event`);
  }
  return entries.map((entry) => convertInput(event, entry, faults));
}

function convertInput(event: InputEvent, { name, key, value: config }: TokenEntry, faults: Faults): InputDefinition {
  const type = typeOf(textOf(valueAt(config, "type")));
  const options = textListOf(valueAt(config, "options"))?.map(({ value }) => value);
  if (type === "choice" && (options ?? []).length === 0) faults.error(config, "Missing 'options' for choice input");
  if (type !== "choice" && options !== undefined) {
    faults.error(config, "Input type is not 'choice', but 'options' is defined");
  }
  return {
    name,
    at: placeOf(key),
    type,
    description: textOf(valueAt(config, "description")),
    required: isTrue(valueAt(config, "required")),
    default: convertDefault(event, valueAt(config, "default"), type, faults),
    options: options ?? [],
  };
}

function typeOf(text: string | undefined): InputDefinition["type"] {
  return text === "boolean" || text === "number" || text === "choice" || text === "environment" ? text : "string";
}

function convertDefault(
  event: InputEvent,
  token: TemplateToken | undefined,
  type: InputDefinition["type"],
  faults: Faults,
): Template | undefined {
  const template = token === undefined ? undefined : toTemplate(token, faults);
  if (token === undefined || template?.kind !== "literal" || template.value === null) return template;
  const value = valueAs(type, template.value);
  if (value === template.value) return template;
  if (typeof value === "string") return { ...template, value };
  if (event === "workflow_call") return template;
  if (value !== undefined) return { ...template, value };
  faults.warn(token, `The default '${template.value}' is not of the input's type, ${type}, and is ignored`);
  return undefined;
}

function valueAs(
  type: InputDefinition["type"],
  value: LiteralTemplate["value"],
): string | number | boolean | undefined {
  const text = typeof value === "number" ? numberToText(value) : String(value);
  if (type === "boolean") return /^(?:true|false)$/i.test(text) ? text.toLowerCase() === "true" : undefined;
  if (type === "number") return text.trim() === "" || Number.isNaN(textToNumber(text)) ? undefined : textToNumber(text);
  return text;
}
