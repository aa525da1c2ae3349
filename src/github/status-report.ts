/** The commit status of a workflow: for who has a token and no App. Pure. */
import { unreachable } from "../lib/unreachable.ts";
import type { NewReport, ServerRun } from "../server/server-store.ts";
import { cutLine } from "./cut-text.ts";
import type { StatusBody } from "./report-body.ts";
import { checkName, conclusionOf, headline } from "./reported-run.ts";
import type { ReportWay, ReportedRun } from "./reported-run.ts";

const MAX_DESCRIPTION = 140;

/** The same for every attempt: of a context GitHub counts the newest. */
export function workflowStatus(reported: ReportedRun, way: ReportWay): NewReport {
  const { run } = reported;
  const context = checkName(run, undefined);
  const address = way.detailsUrl(run.id, undefined);
  const body: StatusBody = {
    sha: run.headSha,
    state: stateOfStatus(run),
    description: cutLine(statusText(reported), MAX_DESCRIPTION),
    context,
    ...(address !== undefined && { target_url: address }),
  };
  return {
    key: `status:${run.repository.toLowerCase()}@${run.headSha}:${context}`,
    kind: "status",
    repository: run.repository,
    body: JSON.stringify(body),
  };
}

/** A skipped workflow does not stand in the way, as on GitHub; its text says that nothing ran. */
function stateOfStatus(run: ServerRun): StatusBody["state"] {
  if (run.state !== "completed") return "pending";
  const conclusion = conclusionOf(run);
  switch (conclusion) {
    case "success":
    case "skipped":
      return "success";
    case "failure":
      return "failure";
    case "cancelled":
      return "error";
    default:
      return unreachable(conclusion);
  }
}

function statusText(reported: ReportedRun): string {
  const { run } = reported;
  if (run.state === "waiting") return `Waits for approval: hearth approve ${run.id}`;
  if (run.state !== "completed") return headline(reported);
  const conclusion = conclusionOf(run);
  return conclusion === "success" ? headline(reported) : `${conclusion}: ${headline(reported)}`;
}
