/** GitHub's words for how a step or a job ended, as contexts show them. */
export type JobResult = "success" | "failure" | "cancelled" | "skipped";
