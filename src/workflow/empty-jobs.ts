/**
 * Jobs without steps, which would do nothing and succeed. GitHub's reader takes them, its service refuses the workflow;
 * so it is refused where a plan is made, and where it is called (`check-call.ts`). The message is the service's.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Workflow } from "./workflow.ts";

export function emptyJobs({ path, jobs }: Workflow): readonly Diagnostic[] {
  return jobs
    .filter((job) => job.kind === "steps" && job.steps.length === 0)
    .map(({ id, at }) => {
      const message = `No steps defined in \`steps\` and no workflow called in \`uses\` for the following jobs: ${id}`;
      return { kind: "error", file: path, at, key: `jobs.${id}`, message };
    });
}
