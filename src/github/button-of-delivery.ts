/**
 * What a delivery asks of this server that came of a button on GitHub: "Re-run" of a check run or of a commit, and those of our own
 * (`BUTTONS`). GitHub shows them to who may write to the repository. Pure. The caller holds against its store that the run is of the
 * repository of the delivery: an `external_id` is what anybody wrote who could make a check run.
 * https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run
 */
import { z } from "zod";
import { BUTTONS } from "./check-report.ts";
import { isOfApp, ofApp } from "./of-app.ts";
import { parseReportId } from "./report-id.ts";

export type Button =
  /** A new attempt of the run, of which `attempt` was seen: a later one may be there already. */
  | {
      readonly kind: "rerun";
      readonly repository: string;
      readonly run: number;
      readonly attempt: number;
      readonly failedOnly: boolean;
    }
  | { readonly kind: "cancel"; readonly repository: string; readonly run: number }
  /** The newest run of each workflow and event on this commit. */
  | { readonly kind: "rerun_commit"; readonly repository: string; readonly headSha: string }
  /** It is of a button, and nothing is to be done. */
  | { readonly kind: "nothing"; readonly reason: string };

const repository = z.object({ full_name: z.string() });
const checkRun = z.object({
  action: z.string(),
  repository,
  check_run: z.object({ ...ofApp.shape, external_id: z.string().nullish(), conclusion: z.string().nullish() }),
  requested_action: z.object({ identifier: z.string() }).nullish(),
});
const checkSuite = z.object({
  action: z.string(),
  repository,
  check_suite: z.object({ ...ofApp.shape, head_sha: z.string().regex(/^[0-9a-f]{40,64}$/) }),
});

/**
 * Undefined: it came of no button. `appId`: of our App, its number or client id, where there is one; check runs of others are none of ours, whatever stands in
 * them.
 */
export function buttonOfDelivery(event: string, payload: unknown, appId: string | undefined): Button | undefined {
  if (event === "check_run") {
    const { data } = checkRun.safeParse(payload);
    if (data?.action === "rerequested" || data?.action === "requested_action") return ofCheckRun(data, appId);
  }
  if (event === "check_suite") {
    const { data } = checkSuite.safeParse(payload);
    if (data?.action !== "rerequested") return undefined;
    if (!isOfApp(data.check_suite, appId)) return OF_ANOTHER;
    return { kind: "rerun_commit", repository: data.repository.full_name, headSha: data.check_suite.head_sha };
  }
  return undefined;
}

const OF_ANOTHER: Button = { kind: "nothing", reason: "the check run is of another App" };

function ofCheckRun(
  { check_run, requested_action, ...rest }: z.infer<typeof checkRun>,
  appId: string | undefined,
): Button {
  const id = parseReportId(check_run.external_id ?? "");
  if (id === undefined || !isOfApp(check_run, appId)) return OF_ANOTHER;
  const { run, attempt } = id;
  if (attempt === 0) return { kind: "nothing", reason: `it waits for approval: hearth approve ${run}` };
  const repository = rest.repository.full_name;
  const rerun = (failedOnly: boolean): Button => ({ kind: "rerun", repository, run, attempt, failedOnly });
  if (rest.action === "rerequested") {
    // Of one that failed GitHub's button means that one; of one that went well it can only mean all.
    return rerun(check_run.conclusion === "failure" || check_run.conclusion === "cancelled");
  }
  switch (requested_action?.identifier) {
    case BUTTONS.rerunFailed:
      return rerun(true);
    case BUTTONS.rerunAll:
      return rerun(false);
    case BUTTONS.cancel:
      return { kind: "cancel", repository, run };
    default:
      return { kind: "nothing", reason: "there is no such button" };
  }
}
