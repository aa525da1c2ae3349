import { assert, constantFrom, oneof, array, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { parseActionReference, referenceText, repositoryKey } from "./reference.ts";

const SHA = "0123456789abcdef0123456789abcdef01234567";

describe("what a step's uses names", () => {
  it.each([
    ["actions/cache@v4", { owner: "actions", name: "cache", path: "", ref: "v4" }],
    ["actions/cache/restore@v4", { owner: "actions", name: "cache", path: "restore", ref: "v4" }],
    ["Octo/My.Repo/a/b c@refs/heads/x", { owner: "Octo", name: "My.Repo", path: "a/b c", ref: "refs/heads/x" }],
    // As GitHub's runner: both slashes divide, empty parts count for nothing.
    ["octo//thing/sub/@v1", { owner: "octo", name: "thing", path: "sub", ref: "v1" }],
    ["octo\\thing\\sub@v1", { owner: "octo", name: "thing", path: "sub", ref: "v1" }],
    ["octo/.github/actions/x@main", { owner: "octo", name: ".github", path: "actions/x", ref: "main" }],
    [`octo/thing@${SHA}`, { owner: "octo", name: "thing", path: "", ref: SHA }],
    ["octo/thing@feature/a-b", { owner: "octo", name: "thing", path: "", ref: "feature/a-b" }],
  ])("%s is an action of another repository", (uses, expected) => {
    expect(parseActionReference(uses)).toEqual({ kind: "remote", ...expected });
  });

  it.each([
    ["./a/../b/", { kind: "local", path: "b" }],
    [".\\a", { kind: "local", path: "a" }],
    ["./", { kind: "local", path: "." }],
    ["./../x", { kind: "outside" }],
    ["$/a/b", { kind: "own", path: "a/b" }],
    ["$/", { kind: "own", path: "" }],
    ["$/../x", { kind: "outside" }],
    ["docker://alpine:3", { kind: "docker", image: "alpine:3" }],
    ["Docker://alpine", { kind: "docker", image: "alpine" }],
  ])("%s is no other repository's", (uses, expected) => {
    expect(parseActionReference(uses)).toEqual(expected);
  });

  // SECURITY-RELIABILITY A18: none of these may reach git, a path or an address.
  it.each([
    "a/b@--upload-pack=touch$IFS/tmp/pwn",
    "a/b@-x",
    "--upload-pack=x/b@v1",
    "-a/b@v1",
    "a/../b@v1",
    "../b@v1",
    "a/b/../../c@v1",
    "a/b@v1@v2",
    "a/b@",
    "a/b",
    "a@v1",
    "",
    "a/b@v1:x",
    "a/b@v*",
    "a/b@a..b",
    "a/b@a b",
    "a/b@a\nb",
    "a/b/x\ny@v1",
    "a/b@ext::sh -c touch% /tmp/pwn",
    "https://github.com/a/b@v1",
    "file:///etc@v1",
    "ext::sh/x@v1",
    "a/b@@{u}",
    "a/b@v1.lock",
    "a/b@/v1",
    "a b/c@v1",
    `a/${"b".repeat(200)}@v1`,
    `a/b@${"v".repeat(300)}`,
  ])("%s is refused", (uses) => {
    expect(parseActionReference(uses)).toMatchObject({ kind: "invalid", reason: expect.stringMatching(/./) });
  });

  it("is never a path, an option or an address when it is taken for another repository's", () => {
    const part = oneof(
      constantFrom("a", "..", ".", "-x", "@", "/", "\\", ":", "~", "^", "\0", "\n", " ", "%2e", "$"),
      string(),
    );
    assert(
      property(array(part, { maxLength: 8 }), (parts) => {
        const reference = parseActionReference(parts.join(""));
        if (reference.kind !== "remote") return;
        for (const text of [reference.owner, reference.name]) expect(text).toMatch(/^[\w.][\w.-]*$/);
        expect(reference.path.split("/")).not.toContain("..");
        expect(reference.ref).not.toMatch(/^-|\.\.|[\s~^:?*[\\\p{Cc}]/u);
        expect(parseActionReference(referenceText(reference))).toEqual(reference);
      }),
      { numRuns: 2_000 },
    );
  });

  it("means the same commit whatever the case of the names, but not of the ref", () => {
    expect(key("Octo/Thing/sub@V1")).toBe(key("octo/thing@V1"));
    expect(key("octo/thing@V1")).not.toBe(key("octo/thing@v1"));
  });
});

function key(uses: string): string {
  const reference = parseActionReference(uses);
  return reference.kind === "remote" ? repositoryKey(reference) : "";
}
