/**
 * Events and activity types as in GitHub's "Events that trigger workflows" (ACTIONS-CONTRACT §7.2): what is none of them
 * is refused, with its place.
 */
import { describe, expect, it, test } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { readWorkflow } from "./read-workflow.ts";
import type { Trigger } from "./workflow.ts";

const PULL_REQUEST =
  "assigned unassigned labeled unlabeled opened edited closed reopened synchronize converted_to_draft locked unlocked enqueued dequeued milestoned demilestoned ready_for_review review_requested review_request_removed auto_merge_enabled auto_merge_disabled stacked";

const events: readonly (readonly [event: string, types: string])[] = [
  ["branch_protection_rule", "created edited deleted"],
  ["check_run", "created rerequested completed requested_action"],
  ["check_suite", "completed"],
  ["create", ""],
  ["delete", ""],
  ["deployment", ""],
  ["deployment_status", ""],
  [
    "discussion",
    "created edited deleted transferred pinned unpinned labeled unlabeled locked unlocked category_changed answered unanswered",
  ],
  ["discussion_comment", "created edited deleted"],
  ["fork", ""],
  ["gollum", ""],
  ["image_version", "created ready deleted"],
  ["issue_comment", "created edited deleted"],
  [
    "issues",
    "opened edited deleted transferred pinned unpinned closed reopened assigned unassigned labeled unlabeled locked unlocked milestoned demilestoned typed untyped field_added field_removed",
  ],
  ["label", "created edited deleted"],
  ["merge_group", "checks_requested"],
  ["milestone", "created closed opened edited deleted"],
  ["page_build", ""],
  ["public", ""],
  ["pull_request", PULL_REQUEST],
  ["pull_request_review", "submitted edited dismissed"],
  ["pull_request_review_comment", "created edited deleted"],
  ["pull_request_target", PULL_REQUEST],
  ["push", ""],
  ["registry_package", "published updated"],
  ["release", "published unpublished created edited deleted prereleased released"],
  ["repository_dispatch", ""],
  ["status", ""],
  ["watch", "started"],
  ["workflow_call", ""],
  ["workflow_dispatch", ""],
];

const typed = events.flatMap(([event, types]) => (types === "" ? [] : [[event, types.split(" ")] as const]));

describe("an event", () => {
  test.each(events)("%s may be alone, in a list, or a key with nothing behind it", (event) => {
    expect(triggersOf(event)).toMatchObject([{ event, types: undefined }]);
    expect(triggersOf(`[${event}]`)).toMatchObject([{ event }]);
    expect(triggersOf(`{ ${event}: }`)).toMatchObject([{ event }]);
  });

  test.each(typed)("%s has the types that GitHub knows, and no other", (event, types) => {
    expect(triggersOf(`{ ${event}: { types: [${types.join(", ")}] } }`)).toMatchObject([{ event, types }]);
    for (const type of types) expect(triggersOf(`{ ${event}: { types: ${type} } }`)).toMatchObject([{ types: [type] }]);
    expect(refusals(`{ ${event}: { types: [${types[0]}, done] } }`)).toEqual([
      expect.stringMatching(
        new RegExp(`^ci.yml:1:\\d+: error: Unexpected value 'done' \\(on\\.${event}\\.types\\[1\\]\\)$`),
      ),
    ]);
    expect(refusals(`{ ${event}: { types: ${types[0]?.toUpperCase()} } }`)).toHaveLength(1);
  });

  it("repository_dispatch takes any type", () => {
    expect(triggersOf("{ repository_dispatch: { types: [go, 'on fire'] } }")).toMatchObject([
      { types: ["go", "on fire"] },
    ]);
    expect(triggersOf("{ repository_dispatch: { types: go } }")).toMatchObject([{ types: ["go"] }]);
  });

  it("workflow_run names the workflows it follows", () => {
    expect(triggersOf("{ workflow_run: { workflows: [CI], types: completed, branches: main } }")).toMatchObject([
      { event: "workflow_run", workflows: ["CI"], types: ["completed"], branches: ["main"] },
    ]);
    for (const on of [
      "workflow_run",
      "[workflow_run]",
      "{ workflow_run: }",
      "{ workflow_run: { types: completed } }",
    ]) {
      expect(refusals(on)).toEqual([
        expect.stringMatching(/1:\d+: error: 'on\.workflow_run' does not reference any workflows/),
      ]);
    }
  });

  test.each([
    ["pusk", "ci.yml:1:5: error: Unexpected value 'pusk' (on)"],
    ["[push, pusk]", "ci.yml:1:12: error: Unexpected value 'pusk' (on[1])"],
    ["{ pusk: }", "ci.yml:1:7: error: Unexpected value 'pusk' (on.pusk)"],
    ["Push", "ci.yml:1:5: error: Unexpected value 'Push' (on)"],
    ["{ schedules: [{ cron: '0 0 * * *' }] }", "ci.yml:1:7: error: Unexpected value 'schedules' (on.schedules)"],
    ["{ schedule: { cron: '0 0 * * *' } }", /1:\d+: error: A mapping was not expected \(on\.schedule\)/],
    ["{ schedule: [{ timezone: UTC }] }", /1:\d+: error: Required property is missing: cron/],
    ["{ schedule: [{ cron: '0 0 * *' }] }", /1:\d+: error: Invalid cron expression/],
    ["{ schedule: [{ cron: '0 0 * * *', timezone: Mars/Olympus }] }", /1:\d+: error: .*Mars\/Olympus/],
    ["{ push: [main] }", /1:\d+: error: A sequence was not expected \(on\.push\)/],
    ["{ push: { branches: { a: b } } }", /1:\d+: error: A mapping was not expected \(on\.push\.branches\)/],
    [
      "{ workflow_dispatch: { inputs: { a: { type: text } } } }",
      /Unexpected value 'text' \(on\.workflow_dispatch\.inputs\.a\.type\)/,
    ],
    ["{ workflow_dispatch: { inputs: { a: { type: choice } } } }", /Missing 'options' for choice input/],
    ["{ workflow_call: { inputs: { a: } } }", /Unexpected value '' \(on\.workflow_call\.inputs\.a\)/],
    ["{ workflow_call: { inputs: { a: { required: true } } } }", /Required property is missing: type/],
    ["{ workflow_call: { inputs: { a: { type: choice } } } }", /Unexpected value 'choice'/],
    ["{ workflow_call: { outputs: { a: { description: b } } } }", /Required property is missing: value/],
    [
      "{ workflow_call: { secrets: { GitHub_Token: } } }",
      /secret name `GitHub_Token` within `workflow_call` can not be used/,
    ],
    ["{}", "ci.yml:1:5: error: No event triggers defined in `on` (on)"],
    ["[]", "ci.yml:1:5: error: No event triggers defined in `on` (on)"],
    ["", /1:\d*:? ?error: .*\(on\)$/],
  ])("is refused in `on: %s`", (on, expected) => {
    expect(refusals(on)[0]).toMatch(expected);
  });

  it("is asked for", () => {
    const result = readWorkflow("ci.yml", "jobs: { a: { runs-on: x, steps: [{ run: a }] } }");
    expect(result).toMatchObject({ kind: "refused", diagnostics: [{ message: "Required property is missing: on" }] });
  });

  it("may have filters with nothing behind them, which are as if they were not there, with a warning", () => {
    for (const filter of ["branches", "branches-ignore", "paths", "paths-ignore", "types"]) {
      const result = readWorkflow("ci.yml", file(`{ pull_request: { ${filter}: } }`));
      expect(result).toMatchObject({
        kind: "read",
        warnings: [{ kind: "warning", key: `on.pull_request.${filter}` }],
        workflow: {
          triggers: [{ branches: undefined, branchesIgnore: undefined, paths: undefined, types: undefined }],
        },
      });
    }
  });
});

function file(on: string): string {
  return `on: ${on}\njobs: { a: { runs-on: x, steps: [{ run: a }] } }`;
}

function triggersOf(on: string): readonly Trigger[] {
  const result = readWorkflow("ci.yml", file(on));
  if (result.kind === "refused") throw new Error(result.diagnostics.map((it) => formatDiagnostic(it)).join("\n"));
  return result.workflow.triggers;
}

function refusals(on: string): readonly string[] {
  const result = readWorkflow("ci.yml", file(on));
  return result.kind === "read" ? [] : result.diagnostics.map((it) => formatDiagnostic(it));
}
