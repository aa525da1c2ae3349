/**
 * What GitHub checks in a job beyond the schema, with its messages: its matrix has values, containers have an
 * image, runner groups a right name. `checkConcurrency` is for workflows too.
 */
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import { BooleanToken, MappingToken, SequenceToken } from "@actions/workflow-parser/templates/tokens/index";
import type { Faults } from "./faults.ts";
import { entriesOf, textOf, valueAt } from "./token-access.ts";

export function checkMatrix(matrix: TemplateToken | undefined, faults: Faults): void {
  if (!(matrix instanceof MappingToken)) return;
  const entries = entriesOf(matrix);
  const vectors = entries.filter(({ name }) => name !== "include" && name !== "exclude");
  for (const { name, value } of vectors) {
    if (!(value instanceof SequenceToken) || value.count > 0) continue;
    faults.error(value, `Matrix vector '${name}' does not contain any values`);
  }
  const include = entries.find(({ name }) => name === "include")?.value;
  const hasIncludes = include !== undefined && !(include instanceof SequenceToken && include.count === 0);
  const hasExpressionKey = entries.length < matrix.count;
  if (vectors.length === 0 && !hasIncludes && !hasExpressionKey) {
    faults.error(matrix, "Matrix must define at least one vector");
  }
}

const CONCURRENCY_GROUP_LENGTH = 400;

/** Only what is written literally; expressions are known later. */
export function checkConcurrency(token: TemplateToken | undefined, faults: Faults): void {
  const group = textOf(token) ?? textOf(valueAt(token, "group"));
  if (group !== undefined && group.length > CONCURRENCY_GROUP_LENGTH) {
    faults.error(token, `Concurrency group name must be less than ${CONCURRENCY_GROUP_LENGTH} characters`);
  }
  const cancels = valueAt(token, "cancel-in-progress");
  if (cancels instanceof BooleanToken && cancels.value && textOf(valueAt(token, "queue")) === "max") {
    faults.error(token, "'queue: max' and 'cancel-in-progress: true' cannot be combined");
  }
}

const DOCKER_SCHEME = "docker://";

export function checkContainers(job: TemplateToken, faults: Faults): void {
  const services = entriesOf(valueAt(job, "services")).map(({ value }) => value);
  for (const container of [valueAt(job, "container"), ...services]) {
    const isOpen = container instanceof MappingToken && [...container].some(({ key }) => key.isExpression);
    if (container === undefined || container.isExpression || isOpen) continue;
    const image = container instanceof MappingToken ? valueAt(container, "image") : container;
    if (image === undefined || textOf(image) === DOCKER_SCHEME) {
      faults.error(container, "Container image cannot be empty");
    }
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
