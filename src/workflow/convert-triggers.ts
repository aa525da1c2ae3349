/** `on:` in its three forms: an event, a list of events, events with filters. Source: ACTIONS-CONTRACT §7.2, §7.3. */
import { MappingToken, SequenceToken, type TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import { convertInputs, type InputEvent } from "./convert-inputs.ts";
import { intervalMinutes, isCron, isTimeZone, SHORTEST_INTERVAL_MINUTES } from "./cron.ts";
import type { Faults } from "./faults.ts";
import { entriesOf, isTrue, textListOf, textOf, valueAt } from "./token-access.ts";
import { placeOf, toTemplate } from "./to-template.ts";
import type { Trigger } from "./workflow.ts";

export function convertTriggers(token: TemplateToken | undefined, faults: Faults): readonly Trigger[] {
  const triggers = triggersOf(token, faults);
  if (triggers.length === 0) faults.error(token, "No event triggers defined in `on`");
  return triggers;
}

function triggersOf(token: TemplateToken | undefined, faults: Faults): readonly Trigger[] {
  if (token instanceof MappingToken) {
    return entriesOf(token).map(({ name, key, value }) => convertTrigger(name, key, value, faults));
  }
  const names = token instanceof SequenceToken ? [...token] : token === undefined ? [] : [token];
  return names.map((name) => convertTrigger(textOf(name) ?? "", name, undefined, faults));
}

function convertTrigger(event: string, at: TemplateToken, config: TemplateToken | undefined, faults: Faults): Trigger {
  const texts = (name: string): readonly string[] | undefined =>
    textListOf(valueAt(config, name))?.map(({ value }) => value);
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
    inputs: takesInputs(event) ? convertInputs(event, valueAt(config, "inputs"), faults) : undefined,
    outputs: event === "workflow_call" ? convertOutputs(valueAt(config, "outputs"), faults) : undefined,
    secrets: event === "workflow_call" ? convertSecrets(valueAt(config, "secrets"), faults) : undefined,
  };
  if (event === "workflow_run" && (trigger.workflows ?? []).length === 0) {
    faults.error(at, "'on.workflow_run' does not reference any workflows");
  }
  return trigger;
}

function takesInputs(event: string): event is InputEvent {
  return event === "workflow_dispatch" || event === "workflow_call";
}

function convertSchedules(token: TemplateToken | undefined, faults: Faults): NonNullable<Trigger["schedules"]> {
  if (!(token instanceof SequenceToken)) return [];
  return [...token].map((entry) => {
    const cronToken = valueAt(entry, "cron");
    const cron = (textOf(cronToken) ?? "").trim(); // a block scalar ends with a line end
    if (cronToken !== undefined && !isCron(cron)) {
      faults.error(cronToken, "Invalid cron expression. Expected format: '* * * * *' (minute hour day month weekday)");
    }
    if (cronToken !== undefined && isCron(cron) && intervalMinutes(cron) < SHORTEST_INTERVAL_MINUTES) {
      faults.warn(cronToken, `GitHub runs a schedule at most every ${SHORTEST_INTERVAL_MINUTES} minutes`);
    }
    const timezoneToken = valueAt(entry, "timezone");
    const timezone = textOf(timezoneToken)?.trim();
    if (timezoneToken !== undefined && timezone !== undefined && !isTimeZone(timezone)) {
      faults.error(timezoneToken, `Invalid timezone '${timezone}'. Expected an IANA name such as 'Europe/Berlin'`);
    }
    return { cron, timezone };
  });
}

function convertOutputs(token: TemplateToken | undefined, faults: Faults): NonNullable<Trigger["outputs"]> {
  return entriesOf(token).flatMap(({ name, value }) => {
    const output = valueAt(value, "value");
    return output === undefined ? [] : [{ name, value: toTemplate(output, faults) }];
  });
}

/** Every workflow has a token of its own, which no caller can replace. */
const RESERVED_SECRET = "github_token";

function convertSecrets(token: TemplateToken | undefined, faults: Faults): NonNullable<Trigger["secrets"]> {
  return entriesOf(token).map(({ name, key, value }) => {
    if (name.toLowerCase() === RESERVED_SECRET) {
      const clash = "can not be used since it would collide with system reserved name";
      faults.error(key, `secret name \`${name}\` within \`workflow_call\` ${clash}`);
    }
    return { name, required: isTrue(valueAt(value, "required")) };
  });
}
