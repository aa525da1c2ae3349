/**
 * The events that start workflows, one line each: which commit and ref a run of theirs has, and their activity types.
 * Source: ACTIONS-CONTRACT §7.2, GitHub "Events that trigger workflows"; types as in the schema of GitHub's parser.
 */

/**
 * Closed set. `default`: the default branch's tip; `merge`: the pull request's merge commit; `pushed`, `created`, `dispatched`,
 * `release`, `deployed`, `merge_group`, `package`: what the payload names.
 */
export type Revision =
  | "default"
  | "merge"
  | "pushed"
  | "created"
  | "dispatched"
  | "release"
  | "deployed"
  | "merge_group"
  | "package";

export interface EventRule {
  readonly revision: Revision;
  /** Activity types that can start a workflow, the one of a payload made here first. Empty: the event has none, or any. */
  readonly types: readonly string[];
  /** Those that do where the workflow names none; undefined: all of `types`. */
  readonly defaultTypes?: readonly string[];
}

const PULL_REQUEST: Pick<EventRule, "types" | "defaultTypes"> = {
  types: words(
    "synchronize opened reopened assigned unassigned labeled unlabeled edited closed converted_to_draft locked unlocked enqueued " +
      "dequeued milestoned demilestoned ready_for_review review_requested review_request_removed auto_merge_enabled " +
      "auto_merge_disabled stacked",
  ),
  defaultTypes: ["opened", "synchronize", "reopened"],
};

const RULES: Readonly<Record<string, EventRule>> = {
  branch_protection_rule: { revision: "default", types: words("created edited deleted") },
  check_run: { revision: "default", types: words("completed created rerequested requested_action") },
  check_suite: { revision: "default", types: ["completed"] },
  create: { revision: "created", types: [] },
  delete: { revision: "default", types: [] },
  deployment: { revision: "deployed", types: [] },
  deployment_status: { revision: "deployed", types: [] },
  discussion: {
    revision: "default",
    types: words(
      "created edited deleted transferred pinned unpinned labeled unlabeled locked unlocked category_changed answered unanswered",
    ),
  },
  discussion_comment: { revision: "default", types: words("created edited deleted") },
  fork: { revision: "default", types: [] },
  gollum: { revision: "default", types: [] },
  image_version: { revision: "default", types: words("ready created deleted") },
  issue_comment: { revision: "default", types: words("created edited deleted") },
  issues: {
    revision: "default",
    types: words(
      "opened edited deleted transferred pinned unpinned closed reopened assigned unassigned labeled unlabeled locked unlocked " +
        "milestoned demilestoned field_added field_removed typed untyped",
    ),
  },
  label: { revision: "default", types: words("created edited deleted") },
  merge_group: { revision: "merge_group", types: ["checks_requested"] },
  milestone: { revision: "default", types: words("created closed opened edited deleted") },
  page_build: { revision: "default", types: [] },
  project: { revision: "default", types: words("created closed reopened edited deleted") },
  project_card: { revision: "default", types: words("created moved converted edited deleted") },
  project_column: { revision: "default", types: words("created updated moved deleted") },
  public: { revision: "default", types: [] },
  pull_request: { revision: "merge", ...PULL_REQUEST },
  pull_request_review: { revision: "merge", types: words("submitted edited dismissed") },
  pull_request_review_comment: { revision: "merge", types: words("created edited deleted") },
  pull_request_target: { revision: "default", ...PULL_REQUEST },
  push: { revision: "pushed", types: [] },
  registry_package: { revision: "package", types: words("published updated") },
  release: { revision: "release", types: words("published unpublished created edited deleted prereleased released") },
  repository_dispatch: { revision: "default", types: [] },
  schedule: { revision: "default", types: [] },
  status: { revision: "default", types: [] },
  watch: { revision: "default", types: ["started"] },
  workflow_call: { revision: "pushed", types: [] },
  workflow_dispatch: { revision: "dispatched", types: [] },
  workflow_run: { revision: "default", types: words("completed requested in_progress") },
};

/** Undefined: GitHub has no such event, or none that starts workflows. */
export function eventRule(event: string): EventRule | undefined {
  return Object.hasOwn(RULES, event) ? RULES[event] : undefined;
}

/** For messages, in alphabetical order. */
export const EVENT_NAMES: readonly string[] = Object.keys(RULES);

function words(text: string): readonly string[] {
  return text.split(" ");
}
