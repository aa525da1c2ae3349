import { expect, it } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { filterConflicts } from "./filter-conflicts.ts";
import { aTrigger, aWorkflow } from "./plan-fixture.ts";

it("refuses a filter beside its -ignore form, whichever event it is for", () => {
  const both = aTrigger({ event: "push", tags: ["a"], tagsIgnore: ["b"], branches: ["main"] });
  const other = aTrigger({ event: "pull_request", paths: [], pathsIgnore: ["docs/**"] });
  expect(filterConflicts(aWorkflow({ triggers: [both, other] })).map(formatDiagnostic)).toEqual([
    expect.stringMatching(/error: You may only define one of 'tags' and 'tags-ignore' .*\(on\.push\.tags-ignore\)$/),
    expect.stringMatching(
      /error: You may only define one of 'paths' and 'paths-ignore' .*\(on\.pull_request\.paths-ignore\)$/,
    ),
  ]);
});

it("has nothing against one of them", () => {
  const trigger = aTrigger({ branches: ["main"], tagsIgnore: ["v*"], paths: ["src/**"] });
  expect(filterConflicts(aWorkflow({ triggers: [trigger] }))).toEqual([]);
});
