/**
 * What of GitHub's deliveries is meant for this server itself: the buttons of its check runs, which cancel and run again, and news of
 * what it has said there, which start nothing. GitHub shows the buttons to who may write to the repository, and its signature says
 * that it was GitHub. Done twice, as after a kill in between, it comes to the same.
 */
import { buttonOfDelivery } from "../github/button-of-delivery.ts";
import type { Button } from "../github/button-of-delivery.ts";
import { isOwnEvent } from "../github/own-event.ts";
import { checkName } from "../github/reported-run.ts";
import { isOwnComment } from "../github/send-comment.ts";
import { unreachable } from "../lib/unreachable.ts";
import { textIn } from "./payload.ts";
import type { Payload } from "./payload.ts";
import type { Delivery, ServerRun, ServerStore } from "./server-store.ts";

export interface TakeOverParts {
  readonly store: Pick<ServerStore, "runs" | "notes">;
  /** Number or client id of the App that reports; undefined: there is none, so no check run is ours. */
  readonly appId: string | undefined;
  /** Whether this server runs workflows of the repository. */
  readonly serves: (repository: string) => boolean;
}

/** Of a repository so many are looked through for those of a commit. */
const NEWEST = 1_000;

/** Answers what it did; undefined for what is not meant for the server. */
export function createTakeOver(
  parts: TakeOverParts,
): (delivery: Pick<Delivery, "event" | "receivedAtMs">, payload: Payload) => string | undefined {
  const { store, appId, serves } = parts;
  const marks = {
    appId,
    hasStatus: (repository: string, sha: string, context: string): boolean =>
      runsOn(store, repository, sha).some((run) => checkName(run, undefined) === context),
    hasComment: (repository: string, issue: number, text: string): boolean =>
      isOwnComment(store.notes, repository, issue, text),
  };
  return ({ event, receivedAtMs }, payload) => {
    const button = buttonOfDelivery(event, payload, appId);
    if (button !== undefined) {
      if (button.kind !== "nothing" && !serves(button.repository))
        return `this server does not run ${button.repository}`;
      return press(store, button, { by: textIn(payload, "sender", "login") ?? "somebody", receivedAtMs });
    }
    return isOwnEvent(event, payload, marks) ? "it tells of what this server has said" : undefined;
  };
}

interface Pressed {
  readonly by: string;
  readonly receivedAtMs: number;
}

function press(store: Pick<ServerStore, "runs">, button: Button, pressed: Pressed): string {
  switch (button.kind) {
    case "nothing":
      return button.reason;
    case "cancel": {
      const found = ownRun(store, button);
      if (found === undefined) return NOT_OURS;
      const cancelled = store.runs.cancel(found.id, `${pressed.by} cancelled it on GitHub`);
      return cancelled === undefined ? `run ${found.id} has completed` : `run ${found.id} is cancelled`;
    }
    case "rerun": {
      const found = ownRun(store, button);
      if (found === undefined) return NOT_OURS;
      // Also what a button comes to that is pressed twice.
      if (found.attempt !== button.attempt) return `run ${found.id} has been run again since`;
      return again(store, found, button.failedOnly);
    }
    case "rerun_commit": {
      const newest = newestOfEach(runsOn(store, button.repository, button.headSha));
      // One that was queued since is what the button came to before.
      const before = newest.filter(({ queuedAtMs }) => queuedAtMs <= pressed.receivedAtMs);
      return (
        before.map((run) => again(store, run, false)).join("; ") || "no run of this commit is left to be run again"
      );
    }
    default:
      return unreachable(button);
  }
}

const NOT_OURS = "the run is not of this repository";

function again(store: Pick<ServerStore, "runs">, run: ServerRun, failedOnly: boolean): string {
  const queued = store.runs.rerun(run.id, failedOnly && run.conclusion !== "success");
  return queued === undefined ? `run ${run.id} cannot run again` : `run ${run.id} is ${queued.state} again`;
}

/** The id comes from a check run: it counts only where the store says the same of the repository. */
function ownRun(
  { runs }: Pick<ServerStore, "runs">,
  { run, repository }: { readonly run: number; readonly repository: string },
): ServerRun | undefined {
  const found = runs.find(run);
  return found?.repository.toLowerCase() === repository.toLowerCase() ? found : undefined;
}

function runsOn({ runs }: Pick<ServerStore, "runs">, repository: string, headSha: string): readonly ServerRun[] {
  return runs.list({ repository, limit: NEWEST }).filter((run) => run.headSha === headSha);
}

/** Newest first, as they come. */
function newestOfEach(runs: readonly ServerRun[]): readonly ServerRun[] {
  const newest = new Map<string, ServerRun>();
  for (const run of runs) if (!newest.has(checkName(run, undefined))) newest.set(checkName(run, undefined), run);
  return [...newest.values()];
}
