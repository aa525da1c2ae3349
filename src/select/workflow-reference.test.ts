import { array, assert, constantFrom, oneof, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { parseWorkflowReference } from "./workflow-reference.ts";

describe("a reference to a workflow", () => {
  it.each([
    ["./.github/workflows/x.yml", ".github/workflows/x.yml"],
    ["$/.github/workflows/x.yaml", ".github/workflows/x.yaml"],
    ["./.github/workflows-lab/x.yml", ".github/workflows-lab/x.yml"],
    ["./.github/workflows/--upload-pack=x.yml", ".github/workflows/--upload-pack=x.yml"],
  ])("%s is a file beside the caller's", (uses, path) => {
    expect(parseWorkflowReference(uses)).toEqual({ kind: "local", path });
  });

  it.each([
    ["o/r/.github/workflows/x.yml@v1", "v1"],
    ["o/r/.github/workflows/x.yml@refs/heads/main", "refs/heads/main"],
    ["o/r/.github/workflows/x.yml@feature/a-b", "feature/a-b"],
    [`o/r/.github/workflows/x.yml@${"a".repeat(40)}`, "a".repeat(40)],
  ])("%s is a file of another repository", (uses, ref) => {
    const repository = { owner: "o", name: "r", ref };
    expect(parseWorkflowReference(uses)).toEqual({ kind: "remote", path: ".github/workflows/x.yml", repository });
  });

  it.each([
    ["", "no version"],
    ["x.yml", "no version"],
    ["o/r/.github/workflows/x.yml", "no version"],
    ["o/r/.github/workflows/x.yml@", "no version"],
    ["o/r/.github/workflows/x.yml@a@b", "too many"],
    ["./.github/workflows/x.yml@v1", "cannot specify version"],
    ["./.github/workflows/a/x.yml", "top level"],
    ["./.github/workflows/../x.yml", "top level"],
    ["./.github/workflows/..\\x.yml", "top level"],
    ["./.github/workflows/../../etc/x.yml", "top level"],
    ["././.github/workflows/x.yml", "rooted"],
    ["./../o/.github/workflows/x.yml", "rooted"],
    ["./workflows/x.yml", "rooted"],
    ["./.github/workflows/x.txt", "extension"],
    ["./.github/workflows/.yml", "file name"],
    ["./.github/workflows/a\nb.yml", "file name"],
    ["./.github/workflows/${{ matrix.x }}.json", "extension"],
    ["o/.github/workflows/x.yml@v1", "prefixed"],
    ["o/r/s/.github/workflows/x.yml@v1", "prefixed"],
    ["o/r/action@v1", "rooted"],
    ["../r/.github/workflows/x.yml@v1", "invalid"],
    ["o/../.github/workflows/x.yml@v1", "invalid"],
    ["-o/r/.github/workflows/x.yml@v1", "invalid"],
    ["o/r/.github/workflows/x.yml@v*", "invalid character"],
    ["o/r/.github/workflows/x.yml@a..b", "invalid character"],
    ["o/r/.github/workflows/x.yml@a:b", "invalid character"],
    ["o/r/.github/workflows/x.yml@^{tree}", "invalid character"],
    ["o/r/.github/workflows/x.yml@a b", "white space"],
    ["o/r/.github/workflows/x.yml@a\nb", "white space"],
    ["o/r/.github/workflows/x.yml@--upload-pack=x", "begin"],
    ["o/r/.github/workflows/x.yml@/a", "begin"],
    ["o/r/.github/workflows/x.yml@a/.b", "invalid version"],
    ["o/r/.github/workflows/x.yml@a.lock", "invalid version"],
    [`o/r/.github/workflows/x.yml@${"a".repeat(256)}`, "too long"],
  ])("%j is none", (uses, reason) => {
    expect(parseWorkflowReference(uses)).toMatchObject({ kind: "invalid", reason: expect.stringContaining(reason) });
  });

  it("never leads out of the directory of workflows, and never looks like an option, whatever is written", () => {
    const part = oneof(
      constantFrom(".", "..", "./", "/", "\\", ".github", "workflows", "x.yml", "@", "v1", "-", "o", "r", "\0", "\n"),
      string({ maxLength: 4 }),
    );
    assert(
      property(array(part, { maxLength: 12 }), (parts) => {
        const reference = parseWorkflowReference(parts.join(""));
        if (reference.kind === "invalid") return;
        expect(reference.path).toMatch(/^\.github\/workflows(?:-lab)?\/[^/\\\p{Cc}]+\.ya?ml$/u);
        const { owner, name, ref } =
          reference.kind === "remote" ? reference.repository : { owner: "", name: "", ref: "" };
        expect(`${owner} ${name} ${ref}`).not.toMatch(/(?:^| )-/);
      }),
      { numRuns: 5_000 },
    );
  });
});
