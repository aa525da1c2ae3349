/** The line of a workflow in the comment of a pull request. Pure; the comment around it is made by `send-comment.ts`. */
import type { NewReport } from "../server/server-store.ts";
import type { CommentBody } from "./report-body.ts";
import { code } from "./report-text.ts";
import { checkName, conclusionOf, headline } from "./reported-run.ts";
import type { ReportedRun } from "./reported-run.ts";

/** One for each workflow and event, whichever commit: the comment tells of the newest. */
export function commentLine(reported: ReportedRun, pullRequest: number): NewReport {
  const { run } = reported;
  const label = checkName(run, undefined);
  const state = run.state === "completed" ? `**${conclusionOf(run)}**` : run.state.replace("_", " ");
  const totals = run.state === "completed" ? code(headline(reported)) : "";
  const approve = run.state === "waiting" ? code(`hearth approve ${run.id}`) : "";
  const line = [`${code(label)} ${state}`, approve, totals, `at ${code(run.headSha.slice(0, 7))}`]
    .filter((part) => part !== "")
    .join(", ");
  const body: CommentBody = { pullRequest, label, run: run.id, line };
  return {
    key: `comment:${run.repository.toLowerCase()}#${pullRequest}:${label}`,
    kind: "comment",
    repository: run.repository,
    body: JSON.stringify(body),
  };
}
