/**
 * Inputs of `workflow_dispatch` and `workflow_call`. A default of another type than declared is read as the declared
 * one, with a warning: GitHub's service takes `type: boolean` with `default: "false"`, its reader here does not.
 */
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import { textToNumber } from "../expression/number-text.ts";
import type { LiteralTemplate, Template } from "../expression/template.ts";
import type { Faults } from "./faults.ts";
import { entriesOf, isTrue, textListOf, textOf, type TokenEntry, valueAt } from "./token-access.ts";
import { placeOf, toTemplate } from "./to-template.ts";
import type { InputDefinition } from "./workflow.ts";

export function convertInputs(token: TemplateToken | undefined, faults: Faults): readonly InputDefinition[] {
  return entriesOf(token).map((entry) => convertInput(entry, faults));
}

function convertInput({ name, key, value: config }: TokenEntry, faults: Faults): InputDefinition {
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
    default: convertDefault(valueAt(config, "default"), type, faults),
    options: options ?? [],
  };
}

function typeOf(text: string | undefined): InputDefinition["type"] {
  return text === "boolean" || text === "number" || text === "choice" || text === "environment" ? text : "string";
}

function convertDefault(
  token: TemplateToken | undefined,
  type: InputDefinition["type"],
  faults: Faults,
): Template | undefined {
  const template = token === undefined ? undefined : toTemplate(token, faults);
  if (token === undefined || template?.kind !== "literal" || template.value === null) return template;
  const value = valueAs(type, template.value);
  if (value === template.value) return template;
  if (typeof value === "string") return { ...template, value };
  const asWhat = value === undefined ? "ignored" : `read as the ${type} '${value}'`;
  faults.warn(token, `The default '${template.value}' is not of the input's type, ${type}, and is ${asWhat}`);
  return value === undefined ? undefined : { ...template, value };
}

function valueAs(
  type: InputDefinition["type"],
  value: LiteralTemplate["value"],
): string | number | boolean | undefined {
  const text = String(value);
  if (type === "boolean") return /^(?:true|false)$/i.test(text) ? text.toLowerCase() === "true" : undefined;
  if (type === "number") return text.trim() === "" || Number.isNaN(textToNumber(text)) ? undefined : textToNumber(text);
  return text;
}
