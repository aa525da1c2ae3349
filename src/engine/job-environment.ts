/** `environment:` of a job: the name of the place it deploys to, and where that is to be seen (ACTIONS-CONTRACT §1.5, §2.5). */
import { isMapping, member } from "../context/mapping.ts";
import { orRefused } from "../expression/or-refused.ts";
import { evaluate, toText } from "../expression/evaluate.ts";
import type { Template, Value } from "../expression/template.ts";
import type { RunEventBody } from "../store/run-event.ts";
import type { StepsJob } from "../workflow/workflow.ts";
import { jobScope } from "./contexts.ts";
import type { JobRun } from "./job-run.ts";

export type DeploymentEnvironment = NonNullable<
  Extract<RunEventBody, { readonly type: "job_completed" }>["environment"]
>;

/** Empty where there is none. Throws ExpressionError. */
export function environmentName({ environment }: StepsJob, contexts: Readonly<Record<string, Value>>): string {
  if (environment === undefined) return "";
  const template = environment.kind === "mapping" ? entry(environment, "name") : environment;
  const value = template === undefined ? null : evaluate(template, { contexts, functions: {} });
  return toText(isMapping(value) ? (member(value, "name") ?? null) : value);
}

/** Asked when the steps have ended: the url may read what they left. One that holds a secret or cannot be evaluated is dropped. */
export function deployedTo(job: JobRun, name: string): DeploymentEnvironment | undefined {
  const { environment } = job.instance.job;
  if (name === "") return undefined;
  const template = environment === undefined ? undefined : entry(environment, "url");
  if (template === undefined) return { name };
  const url = orRefused(() => toText(evaluate(template, jobScope(job))));
  if (url.kind === "refused" || url.value === "" || job.masker.hides(url.value)) return { name };
  return { name, url: url.value };
}

function entry(template: Template, name: string): Template | undefined {
  if (template.kind !== "mapping") return undefined;
  return template.entries.find(({ key }) => key.kind === "literal" && key.value === name)?.value;
}
