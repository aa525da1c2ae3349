import { assert, constantFrom, array, property } from "fast-check";
import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { ArchiveCheck } from "./archive-check.ts";

/** `name`, `name/` for a directory, `name -> target`, `name => hard link target`. */
function entryOf(text: string) {
  const [, name = text, arrow = "", linkname] = /^(.*?) (->|=>) (.*)$/su.exec(text) ?? [];
  const type = arrow === "->" ? "symlink" : arrow === "=>" ? "link" : name.endsWith("/") ? "directory" : "file";
  return { name, type, linkname, sizeBytes: 1 };
}

/** What the last of the entries is refused for; undefined when all are kept. */
function refusal(...entries: readonly string[]): string | undefined {
  const check = new ArchiveCheck();
  for (const entry of entries) {
    const verdict = check.check(entryOf(entry));
    if (verdict.kind === "refused") return verdict.reason;
  }
  return undefined;
}

describe("an action's archive", () => {
  it.each([
    [["a", "b/", "b/c", "./d", "b/e"]],
    [[".github/x", ".gitignore", ".gitattributes", "a.git/x", "git"]],
    [["node_modules/x/bin.js", "node_modules/.bin/x -> ../x/bin.js"]],
    [["a", "b => a"]],
    [["a/b", "c -> a", "d -> ./c"]],
    [["a", "A", "a/"]],
  ])("may have %j", (entries) => {
    expect(refusal(...entries)).toBeUndefined();
  });

  // SECURITY-RELIABILITY A15.
  it.each([
    [["../x"], "leads outside"],
    [["a/../../x"], "leads outside"],
    [["..\\x"], "leads outside"],
    [["/etc/passwd"], "absolute"],
    [["\\x"], "absolute"],
    [["C:\\x"], "absolute"],
    [["C:../x"], "absolute"],
    [["a\0b"], "NUL"],
    [["a -> /etc"], "lead outside"],
    [["a -> .."], "lead outside"],
    [["a/b -> ../../x"], "lead outside"],
    [["a -> b/../../x"], "lead outside"],
    // Each alone stays inside; together they do not.
    [["d/e/l -> ../..", "m -> d/e/l/../.."], "lead outside"],
    [["a -> b", "a/x"], "below a link"],
    [["a -> .", "A/x"], "below a link"],
    [["a/x", "a -> ."], "a link where something else is"],
    [["a/x", "A -> ."], "a link where something else is"],
    [["a -> .", "a"], "a link where something else is"],
    [["\u00e9 -> .", "e\u0301/x"], "below a link"],
    [["a => b"], "hard link"],
    [["a => ../x"], "hard link"],
    [["b -> x", "a => b"], "hard link"],
    [[".git/config"], "git repository"],
    [["a/.GIT/config"], "git repository"],
    [["a/.git"], "git repository"],
    [["GIT~1/config"], "git repository"],
    [[".g\u200cit/config"], "git repository"],
    [[".git /config"], "git repository"],
    [["x".repeat(5_000)], "too long"],
    [["a -> "], "without a target"],
  ])("must not have %j", (entries, reason) => {
    expect(refusal(...entries)).toContain(reason);
  });

  it.each(["character-device", "block-device", "fifo", "contiguous-file"])("must not have a %s", (type) => {
    const verdict = new ArchiveCheck().check({ name: "a", type, linkname: undefined, sizeBytes: 0 });
    expect(verdict).toEqual({ kind: "refused", reason: `a ${type}` });
  });

  it("has its entries and bytes counted before they are read", () => {
    const few = new ArchiveCheck(undefined, { entries: 2, totalBytes: 100 });
    expect(["a", "b", "c"].map((name) => few.check(entryOf(name)).kind)).toEqual(["kept", "kept", "refused"]);
    const small = new ArchiveCheck(undefined, { entries: 9, totalBytes: 100 });
    expect(small.check({ ...entryOf("a"), sizeBytes: 101 })).toMatchObject({ kind: "refused" });
    expect(new ArchiveCheck().check({ ...entryOf("a"), sizeBytes: -1 })).toMatchObject({ kind: "refused" });
  });

  it("has the directory around it taken off, and nothing beside that", () => {
    const check = new ArchiveCheck("o-r-0123");
    expect(check.check(entryOf("o-r-0123/"))).toEqual({ kind: "root" });
    expect(check.check(entryOf("o-r-0123/a/b"))).toEqual({ kind: "kept", name: "a/b", linkname: undefined });
    expect(check.check(entryOf("o-r-0123/c => o-r-0123/a/b"))).toMatchObject({ kind: "kept", linkname: "a/b" });
    expect(check.check(entryOf("o-r-0123/l -> ../x"))).toMatchObject({ kind: "refused" });
    expect(check.check(entryOf("other/a"))).toMatchObject({ kind: "refused" });
    expect(check.check(entryOf("o-r-01234/a"))).toMatchObject({ kind: "refused" });
  });

  it("keeps nothing that leads outside, whatever comes together", () => {
    const name = array(constantFrom("a", "b", "A", "..", ".", "c"), { minLength: 1, maxLength: 4 }).map((parts) =>
      parts.join("/"),
    );
    const entry = array(name, { minLength: 1, maxLength: 2 }).map((names) => names.join(" -> "));
    assert(
      property(array(entry, { maxLength: 8 }), (entries) => {
        const links = new Map<string, string>();
        const check = new ArchiveCheck();
        for (const text of entries) {
          const verdict = check.check(entryOf(text));
          if (verdict.kind !== "kept") continue;
          expect(followed(posix.dirname(verdict.name), links)).toMatch(/^(?!\.\.(?:\/|$))/);
          if (verdict.linkname !== undefined) links.set(verdict.name, verdict.linkname);
        }
        for (const path of links.keys()) expect(followed(path, links)).toMatch(/^(?!\.\.(?:\/|$))/);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** Where a path leads, as a kernel would find out; `loop` where it gives up. */
function followed(path: string, links: ReadonlyMap<string, string>): string {
  const todo = path.split("/").toReversed();
  let at: string[] = [];
  for (let steps = 0; todo.length > 0; steps++) {
    if (steps > 200) return "loop";
    const part = todo.pop() ?? "";
    if (part === "." || part === "") continue;
    if (part === "..") {
      if (at.length === 0) return "..";
      at = at.slice(0, -1);
      continue;
    }
    const target = links.get([...at, part].join("/"));
    if (target === undefined) at = [...at, part];
    else todo.push(...target.split("/").toReversed());
  }
  return at.join("/");
}
