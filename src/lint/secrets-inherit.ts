/** `secrets-inherit`: a called workflow that is given every secret there is, also those of which it knows nothing yet. */
import type { Workflow } from "../workflow/workflow.ts";
import type { Draft } from "./linted.ts";
import type { SourceText } from "./source-text.ts";

export function lintInherited({ jobs }: Workflow, source: SourceText): readonly Draft[] {
  return jobs.flatMap((job) => {
    if (job.kind !== "call" || job.secrets !== "inherit") return [];
    const isOwn = /^[.$]\//.test(job.uses);
    return [
      {
        rule: "secrets-inherit",
        severity: isOwn ? "note" : "warning",
        at: source.findKey("secrets", job.at, false),
        key: `jobs.${job.id}.secrets`,
        message: `'${job.uses}' is given all secrets of this repository`,
        fix: "Name the secrets that it needs under secrets:",
      },
    ];
  });
}
