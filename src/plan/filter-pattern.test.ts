import { assert, constantFrom, array, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { lastMatchDecides, parseFilters } from "./filter-pattern.ts";

function passes(patterns: readonly string[], name: string): boolean {
  const parsed = parseFilters(patterns);
  if (parsed.kind === "invalid") throw new Error(`${parsed.pattern}: ${parsed.reason}`);
  return lastMatchDecides(parsed.filters, name);
}

/** GitHub "Workflow syntax", filter pattern cheat sheet: patterns, names that match, names that do not. */
const CHEAT_SHEET: readonly [patterns: readonly string[], matching: readonly string[], others: readonly string[]][] = [
  // Characters
  [["Octo*"], ["Octocat", "Octo"], ["Octo/cat"]],
  [["*.jsx?"], ["page.js", "page.jsx"], ["page.jsxx", "src/page.js"]],
  [["Octoc?t"], ["Octoct", "Octot"], ["Octocat"]],
  [["[CB]at"], ["Cat", "Bat"], ["Rat", "CBat"]],
  [["[1-2]00"], ["100", "200"], ["300"]],
  [["[0-9a-z]"], ["7", "q"], ["Q", "77"]],
  // Branches and tags
  [["feature/*"], ["feature/my-branch", "feature/your-branch"], ["feature/a/b", "feature"]],
  [["feature/**"], ["feature/beta-a/my-branch", "feature/your-branch", "feature/mona/the/octocat"], ["features/x"]],
  [["main", "releases/mona-the-octocat"], ["main", "releases/mona-the-octocat"], ["releases/mona"]],
  [["*"], ["main", "releases"], ["all/the/branches"]],
  [["**"], ["all/the/branches", "every/tag", "main"], []],
  [["*feature"], ["mona-feature", "feature", "ver-10-feature"], ["feature-x", "a/feature"]],
  [["v2*"], ["v2", "v2.0", "v2.9"], ["v1", "xv2"]],
  [["v[12].[0-9]+.[0-9]+"], ["v1.10.1", "v2.0.0"], ["v3.0.0", "v1.10", "v1.10.x", "v1x10x1"]],
  // Paths
  [["*"], ["README.md", "server.rb"], ["docs/README.md"]],
  [["**"], ["all/the/files.md"], []],
  [["*.js"], ["app.js", "index.js"], ["js/index.js"]],
  [["**.js"], ["index.js", "js/index.js", "src/js/app.js"], ["index.jsx"]],
  [["docs/*"], ["docs/README.md", "docs/file.txt"], ["docs/mona/octocat.txt"]],
  [["docs/**"], ["docs/README.md", "docs/mona/octocat.txt"], ["docs", "a/docs/b"]],
  [["docs/**/*.md"], ["docs/README.md", "docs/mona/hello-world.md", "docs/a/markdown/file.md"], ["docs/a.txt"]],
  [["**/docs/**"], ["docs/hello.md", "dir/docs/my-file.txt", "space/docs/plan/space.doc"], ["mydocs/hello.md"]],
  [["**/README.md"], ["README.md", "js/README.md", "a/b/README.md"], ["MYREADME.md"]],
  [["**/*src/**"], ["a/src/app.js", "my-src/code/js/app.js"], ["a/srcs/app.js"]],
  [["**/*-post.md"], ["my-post.md", "path/their-post.md"], ["my-post.mdx"]],
  [
    ["**/migrate-*.sql"],
    ["migrate-10909.sql", "db/migrate-v1.0.sql", "db/sept/migrate-v1.sql"],
    ["db/x-migrate-1.sql"],
  ],
  [["*.md", "!README.md"], ["hello.md"], ["README.md", "docs/hello.md"]],
  [["*.md", "!README.md", "README*"], ["hello.md", "README.md", "README.doc"], ["docs/README.md"]],
  // Branches: a positive pattern after a negative one includes again; a negative one alone includes nothing.
  [
    ["releases/**", "!releases/**-alpha"],
    ["releases/10", "releases/beta/mona"],
    ["releases/10-alpha", "main"],
  ],
  [["!main"], [], ["main", "other"]],
  [["a!b"], ["a!b"], ["ab"]],
  [
    ["c\\+\\+", "what\\?", "\\*", "\\!x"],
    ["c++", "what?", "*", "!x"],
    ["cc", "wha", "anything", "x"],
  ],
  [
    ["x[\\]]y", "a[-.]b"],
    ["x]y", "a-b", "a.b"],
    ["xy", "acb"],
  ],
];

describe("GitHub's filter patterns", () => {
  it.each(CHEAT_SHEET)("%j lets %j pass and not %j", (patterns, matching, others) => {
    for (const name of matching) expect([name, passes(patterns, name)]).toEqual([name, true]);
    for (const name of others) expect([name, passes(patterns, name)]).toEqual([name, false]);
  });

  it.each(["main-evil", "xmain", "MAIN", "main\n", "\nmain", "main ", "main/x", "x/main", "refs/heads/main", ""])(
    "does not take %j for main",
    (name) => {
      expect(passes(["main"], name)).toBe(false);
    },
  );

  it("applies quantifiers to a whole character, surrogate pairs included", () => {
    expect(passes(["a🦊+b"], "a🦊🦊b")).toBe(true);
    expect(passes(["a🦊?b"], "ab")).toBe(true);
    expect(passes(["[🦊🐙]x"], "🐙x")).toBe(true);
  });

  it("lets two stars and a slash stand for no directory only where a segment starts", () => {
    expect(passes(["a/**/b"], "a/b")).toBe(true);
    expect(passes(["a**/b"], "ab")).toBe(false);
    expect(passes(["a**/b"], "axx/y/b")).toBe(true);
    expect(passes(["**/b"], "xb")).toBe(false);
  });

  it.each([
    ["", "empty"],
    ["!", "empty"],
    ["?x", "none to repeat"],
    ["*+", "none to repeat"],
    ["a++", "none to repeat"],
    ["[abc", "no ']'"],
    ["[]", "names no character"],
    ["[z-a]", "is no range"],
    ["[A-z]", "is no range"],
    ["[é-ü]", "is no range"],
    ["x\\", "escapes"],
  ])("refuses %j rather than guess", (pattern, reason) => {
    const parsed = parseFilters(["main", pattern]);
    expect(parsed).toMatchObject({ kind: "invalid", pattern });
    expect(parsed.kind === "invalid" ? parsed.reason : "").toContain(reason);
  });

  it("matches patterns full of stars against a 60-character branch in a few milliseconds", () => {
    const branch = "a".repeat(60);
    const startedMs = performance.now();
    expect(passes([`${"**a".repeat(20)}b`], branch)).toBe(false);
    expect(passes([`${"*a".repeat(30)}b`], branch)).toBe(false);
    expect(passes([`${"a+".repeat(60)}b`, `${"a?".repeat(60)}${"a".repeat(60)}b`], branch)).toBe(false);
    // The naive translation into a regular expression takes tens of seconds here; the margin is for a busy machine.
    expect(performance.now() - startedMs).toBeLessThan(200);
  });

  it("agrees with a slow matcher written straight from the documentation", () => {
    const element = constantFrom("a", "b", "/", "*", "**", "**/", "a?", "b+", "[ab]", "[a-b]+", "[b/]?", "\\*");
    const name = string({ unit: constantFrom("a", "b", "/", "*"), maxLength: 7 });
    assert(
      property(array(element, { minLength: 1, maxLength: 6 }), name, (elements, name) => {
        const pattern = elements.join("");
        expect([pattern, name, passes([pattern], name)]).toEqual([pattern, name, slowMatch(pattern, name)]);
      }),
      { numRuns: 3000 },
    );
  });

  it("takes the last match of a random list, as the documentation says", () => {
    const pattern = constantFrom("a*", "!a*", "**", "!**b", "b", "!b", "a+b?", "!ab");
    assert(
      property(
        array(pattern, { maxLength: 6 }),
        string({ unit: constantFrom("a", "b"), maxLength: 4 }),
        (list, name) => {
          let expected = false;
          for (const item of list) {
            if (slowMatch(item.replace(/^!/, ""), name)) expected = !item.startsWith("!");
          }
          expect(passes(list, name)).toBe(expected);
        },
      ),
    );
  });

  it("never throws and never hangs, whatever the pattern and the name", () => {
    assert(
      property(string({ maxLength: 40 }), string({ maxLength: 40 }), (pattern, name) => {
        const parsed = parseFilters([pattern]);
        if (parsed.kind === "filters") lastMatchDecides(parsed.filters, name);
      }),
    );
  });
});

/** Tries everything, one element of the pattern at a time. */
function slowMatch(pattern: string, name: string, segmentStart = true): boolean {
  if (pattern === "") return name === "";
  const directories = /^\*\*+\/(?![?+])(.*)$/su.exec(pattern);
  if (directories !== null && segmentStart) {
    const rest = directories[1] ?? "";
    return slowMatch(rest, name) || splits(name).some(([head, tail]) => head.endsWith("/") && slowMatch(rest, tail));
  }
  const stars = /^(\*+)(.*)$/su.exec(pattern);
  if (stars !== null) {
    const [, star, rest = ""] = stars;
    return splits(name).some(([head, tail]) => (star !== "*" || !head.includes("/")) && slowMatch(rest, tail, false));
  }
  const one = /^(\[[^\]]*\]|\\.|.)([?+]?)(.*)$/su.exec(pattern);
  if (one === null) throw new Error(`no element in ${pattern}`);
  const [, element = "", quantifier = "", rest = ""] = one;
  const slash = element === "/" && quantifier === "";
  const lengths = quantifier === "?" ? [0, 1] : quantifier === "+" ? [1, 2, 3, 4, 5, 6, 7] : [1];
  return lengths.some((length) => {
    const head = name.slice(0, length);
    if (head.length !== length || !Array.from(head).every((character) => isElement(element, character))) return false;
    return slowMatch(rest, name.slice(length), slash);
  });
}

function splits(name: string): [head: string, tail: string][] {
  return Array.from({ length: name.length + 1 }, (_, length) => [name.slice(0, length), name.slice(length)]);
}

function isElement(element: string, character: string): boolean {
  if (element.startsWith("\\")) return element.slice(1) === character;
  if (element === "[a-b]") return "ab".includes(character);
  return element.startsWith("[") ? element.slice(1, -1).includes(character) : element === character;
}
