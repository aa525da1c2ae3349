/**
 * Whom an event is from: who can write to the repository, or an outsider, whose code waits for approval and gets no secrets. What runs
 * the default branch's code is trusted whoever caused it, as on GitHub since December 2025.
 * Source: ACTIONS-CONTRACT §7.2 and §7.5, SECURITY-RELIABILITY A24 and A25, GitHub "Dependabot on GitHub Actions".
 */
import { textIn, valueIn } from "./payload.ts";
import type { Payload } from "./payload.ts";
import type { Trust } from "./server-store.ts";

/** They run the code of the pull request. */
const OF_PULL_REQUEST = ["pull_request", "pull_request_review", "pull_request_review_comment"];
/** GitHub gives no secrets to these either when Dependabot causes them. */
const OF_DEPENDABOT = [...OF_PULL_REQUEST, "push", "create", "deployment", "deployment_status"];
/** Of the author, as GitHub says it; the others are OWNER, MEMBER, COLLABORATOR, CONTRIBUTOR. */
const STRANGERS = ["NONE", "FIRST_TIMER", "FIRST_TIME_CONTRIBUTOR", "MANNEQUIN"];

/** `event` is that of the workflow: `pull_request_target` runs other code than `pull_request`. */
export function trustOf(event: string, payload: Payload): Trust {
  if (OF_DEPENDABOT.includes(event) && isDependabot(payload)) return "outsider";
  return OF_PULL_REQUEST.includes(event) && isOfOutsider(payload) ? "outsider" : "trusted";
}

function isDependabot(payload: Payload): boolean {
  const logins = [textIn(payload, "sender", "login"), textIn(payload, "pull_request", "user", "login")];
  return logins.includes("dependabot[bot]");
}

function isOfOutsider(payload: Payload): boolean {
  const [head, base] = ["head", "base"].map((side) => valueIn(payload, "pull_request", side, "repo", "id"));
  // A fork that was deleted has no repository; whatever cannot be shown to be the same is another.
  if (head === undefined || head !== base) return true;
  const association = textIn(payload, "pull_request", "author_association") ?? "NONE";
  // An App is NONE everywhere. Its branch is in this repository: it may write.
  return STRANGERS.includes(association) && textIn(payload, "pull_request", "user", "type") !== "Bot";
}
