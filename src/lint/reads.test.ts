import { describe, expect, it } from "vitest";
import { parseExpression } from "../expression/parse-expression.ts";
import { readsOf } from "./reads.ts";

function reads(expression: string): readonly string[] {
  return readsOf(parseExpression(expression)).map(({ path, whole }) => (whole ? `${path.join(".")}…` : path.join(".")));
}

describe("what an expression gives of the contexts", () => {
  it.each([
    ["github.head_ref", ["github.head_ref"]],
    ["GitHub['EVENT'].Issue['title']", ["github.event.issue.title"]],
    ["(github).event", ["github.event"]],
    ["github.event.commits[0].message", ["github.event.commits.0.message"]],
    ["github.event.commits.*.message", ["github.event.commits.*.message"]],
    ["github.event[github.event.action].title", ["github.event.*.title"]],
    ["github[format('{0}', 'event')].x", ["github.*.x"]],
    ["format('{0} {1}', github.ref, github.sha)", ["github.ref", "github.sha"]],
    ["join(github.event.commits.*.message, ',')", ["github.event.commits.*.message"]],
    ["toJSON(github.event)", ["github.event…"]],
    ["fromJSON(toJson(github.event)).issue.title", ["github.event…"]],
    ["fromJSON(github.event.comment.body).x", ["github.event.comment.body…"]],
    [
      "(github.event.issue || github.event.pull_request).title",
      ["github.event.issue.title", "github.event.pull_request.title"],
    ],
    ["github.head_ref || github.ref_name", ["github.head_ref", "github.ref_name"]],
    ["github.event.issue.title && github.sha", ["github.sha"]],
    ["github.event_name == 'push' && github.ref || github.head_ref", ["github.ref", "github.head_ref"]],
    ["case(github.head_ref == 'x', github.sha, github.ref)", ["github.sha", "github.ref"]],
    ["github.event.issue.title == 'x'", []],
    ["!github.head_ref", []],
    ["contains(github.event.issue.title, 'x')", []],
    ["startsWith(github.head_ref, 'x') && 'a' || 'b'", []],
    ["hashFiles(github.head_ref)", []],
    ["'github.head_ref'", []],
  ])("of %s is %j", (expression, expected) => {
    expect(reads(expression)).toEqual(expected);
  });
});
