/** `on:` in its three forms: an event, a list of events, events with filters. Source: ACTIONS-CONTRACT §7.2, §7.3. */
import { MappingToken, SequenceToken, type TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import { convertInputs } from "./convert-inputs.ts";
import { isCron } from "./cron.ts";
import type { Faults } from "./faults.ts";
import { entriesOf, isTrue, textListOf, textOf, valueAt } from "./token-access.ts";
import { placeOf, toTemplate } from "./to-template.ts";
import type { Trigger } from "./workflow.ts";

export function convertTriggers(token: TemplateToken | undefined, faults: Faults): readonly Trigger[] {
  if (token instanceof MappingToken) {
    return entriesOf(token).map(({ name, key, value }) => convertTrigger(name, key, value, faults));
  }
  const names = token instanceof SequenceToken ? [...token] : token === undefined ? [] : [token];
  return names.map((name) => convertTrigger(textOf(name) ?? "", name, undefined, faults));
}

function convertTrigger(event: string, at: TemplateToken, config: TemplateToken | undefined, faults: Faults): Trigger {
  const texts = (name: string): readonly string[] | undefined =>
    textListOf(valueAt(config, name))?.map(({ value }) => value);
  const takesInputs = event === "workflow_dispatch" || event === "workflow_call";
  const trigger: Trigger = {
    event,
    at: placeOf(at),
    types: texts("types"),
    branches: texts("branches"),
    branchesIgnore: texts("branches-ignore"),
    tags: texts("tags"),
    tagsIgnore: texts("tags-ignore"),
    paths: texts("paths"),
    pathsIgnore: texts("paths-ignore"),
    workflows: texts("workflows"),
    schedules: event === "schedule" ? convertSchedules(config, faults) : undefined,
    inputs: takesInputs ? convertInputs(valueAt(config, "inputs"), faults) : undefined,
    outputs: event === "workflow_call" ? convertOutputs(valueAt(config, "outputs"), faults) : undefined,
    secrets: event === "workflow_call" ? convertSecrets(valueAt(config, "secrets")) : undefined,
  };
  if (event === "workflow_run" && (trigger.workflows ?? []).length === 0) {
    faults.error(at, "'on.workflow_run' does not reference any workflows");
  }
  return trigger;
}

function convertSchedules(token: TemplateToken | undefined, faults: Faults): NonNullable<Trigger["schedules"]> {
  if (!(token instanceof SequenceToken)) return [];
  return [...token].map((entry) => {
    const cronToken = valueAt(entry, "cron");
    const cron = (textOf(cronToken) ?? "").trim(); // a block scalar ends with a line end
    if (cronToken !== undefined && !isCron(cron)) {
      faults.error(cronToken, "Invalid cron expression. Expected format: '* * * * *' (minute hour day month weekday)");
    }
    return { cron, timezone: textOf(valueAt(entry, "timezone"))?.trim() };
  });
}

function convertOutputs(token: TemplateToken | undefined, faults: Faults): NonNullable<Trigger["outputs"]> {
  return entriesOf(token).flatMap(({ name, value }) => {
    const output = valueAt(value, "value");
    return output === undefined ? [] : [{ name, value: toTemplate(output, faults) }];
  });
}

function convertSecrets(token: TemplateToken | undefined): NonNullable<Trigger["secrets"]> {
  return entriesOf(token).map(({ name, value }) => ({ name, required: isTrue(valueAt(value, "required")) }));
}
