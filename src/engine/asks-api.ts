/**
 * Whether anything in a job may speak to GitHub's API, as far as its text says. On the host the services cost a tenth of a second to
 * start, which a job that only runs scripts need not pay: without the token nobody is answered, and the token is in no variable
 * unless the workflow puts it there (ACTIONS-CONTRACT §1.1).
 */
import type { JobInstance } from "./job-run.ts";
import type { Workflow } from "../workflow/workflow.ts";

export function mayAskApi(
  workflow: Pick<Workflow, "env">,
  { job, steps }: Pick<JobInstance, "job" | "steps">,
): boolean {
  const isAction = steps.some(({ way }) => way.kind !== "run" && way.kind !== "control" && way.kind !== "builtin");
  return isAction || MENTIONS.test(JSON.stringify([workflow.env, job, steps]));
}

/** The token by its names, contexts that hold it as a whole, secrets by a computed name, the addresses. */
const MENTIONS =
  /github\s*[.[]\W*token|GITHUB_TOKEN|secrets\s*\[|(?:github|secrets)\s*\)|api_url|graphql_url|GITHUB_API_URL|GITHUB_GRAPHQL_URL/i;
