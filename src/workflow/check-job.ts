/** What GitHub checks in a job beyond the schema, with its messages: containers have an image, runner groups a right name. */
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import { MappingToken } from "@actions/workflow-parser/templates/tokens/index";
import type { Faults } from "./faults.ts";
import { entriesOf, textOf, valueAt } from "./token-access.ts";

export function checkContainers(job: TemplateToken, faults: Faults): void {
  const services = entriesOf(valueAt(job, "services")).map(({ value }) => value);
  for (const container of [valueAt(job, "container"), ...services]) {
    if (!(container instanceof MappingToken) || [...container].some(({ key }) => key.isExpression)) continue;
    if (valueAt(container, "image") === undefined) faults.error(container, "Container image cannot be empty");
  }
}

export function checkRunnerGroup(runsOn: TemplateToken | undefined, faults: Faults): void {
  const token = valueAt(runsOn, "group");
  const name = textOf(token);
  if (token === undefined || name === undefined) return;
  const [prefix = "", group, ...more] = name.split("/");
  if (group === undefined) return;
  if (more.length > 0 || !["org", "organization", "ent", "enterprise"].includes(prefix)) {
    const advice = "Please use 'organization/' or 'enterprise/' prefix to target a single runner group.";
    faults.error(token, `Invalid runs-on group name '${name}'. ${advice}`);
  } else if (group === "") faults.error(token, `Invalid runs-on group name '${name}'.`);
}
