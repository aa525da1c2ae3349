import { describe, expect, it } from "vitest";
import type { AnnotationFields } from "../store/run-event.ts";
import { parseMatcherFile } from "./matcher-file.ts";
import type { Matcher } from "./matcher-file.ts";
import { MatcherSet, MatcherState } from "./problem-matcher.ts";

function matchers(...given: readonly object[]): readonly Matcher[] {
  const file = parseMatcherFile(Buffer.from(JSON.stringify({ problemMatcher: given })));
  if (file.kind === "problem") throw new Error(file.message);
  return file.matchers;
}

function setOf(...given: readonly object[]): MatcherSet {
  const set = new MatcherSet();
  set.add(matchers(...given));
  return set;
}

function run(set: MatcherSet, ...lines: readonly string[]): (AnnotationFields | undefined)[] {
  const state = new MatcherState(set, "/w");
  const rehearsed = set.rehearse(lines);
  return lines.map((line) => state.match(line, rehearsed));
}

const brief = (found: readonly (AnnotationFields | undefined)[]): string[] =>
  found.map((one) =>
    one === undefined
      ? "-"
      : [one.level, one.file, one.line, one.column, one.message].filter((part) => part !== undefined).join(" "),
  );

const GCC = {
  owner: "gcc",
  pattern: [
    { regexp: "^(.+):(\\d+):(\\d+): (error|warning): (.*)$", file: 1, line: 2, column: 3, severity: 4, message: 5 },
  ],
};
/** Two patterns, the second repeated: actions/setup-node's `eslint-stylish.json`. */
const ESLINT = {
  owner: "eslint-stylish",
  pattern: [
    { regexp: "^([^\\s].*)$", file: 1 },
    {
      regexp: "^\\s+(\\d+):(\\d+)\\s+(error|warning|info)\\s+(.*)\\s\\s+(.*)$",
      line: 1,
      column: 2,
      severity: 3,
      message: 4,
      code: 5,
      loop: true,
    },
  ],
};

/** ACTIONS-CONTRACT §2.3. */
describe("MatcherState", () => {
  it("makes an annotation of a line", () => {
    expect(brief(run(setOf(GCC), "src/a.c:3:5: warning: unused", "other", "/w/b.c:1:2: error: bad"))).toEqual([
      "warning src/a.c 3 5 unused",
      "-",
      "error b.c 1 2 bad",
    ]);
  });

  it("collects over consecutive lines, and loops the last pattern", () => {
    const lines = [
      "test.js",
      '  1:0   error  Missing "use strict"  strict',
      "  5:10  warning  'addOne' is defined  no-unused-vars",
      "",
      "  6:1  error  orphan  x",
      "foo.js",
      "  36:10  error  Expected  consistent-return",
    ];
    expect(brief(run(setOf(ESLINT), ...lines))).toEqual([
      "-",
      'error test.js 1 0 Missing "use strict"',
      "warning test.js 5 10 'addOne' is defined",
      "-",
      "-",
      "-",
      "error foo.js 36 10 Expected",
    ]);
  });

  it("starts anew when a line breaks a multi-line match", () => {
    const three = {
      owner: "t",
      pattern: [
        { regexp: "^file (.*)$", file: 1 },
        { regexp: "^line (\\d+)$", line: 1 },
        { regexp: "^(bad.*)$", message: 1 },
      ],
    };
    expect(brief(run(setOf(three), "file a", "line 1", "x", "bad 1", "file b", "line 2", "bad 2", "bad 3"))).toEqual([
      "-",
      "-",
      "-",
      "-",
      "-",
      "-",
      "error b 2 bad 2",
      "-",
    ]);
  });

  it("keeps the state of two streams apart", () => {
    const set = setOf(ESLINT);
    const [out, error] = [new MatcherState(set, "/w"), new MatcherState(set, "/w")];
    const rehearsed = set.rehearse([]);
    out.match("a.js", rehearsed);
    expect(error.match("  1:0  error  from nowhere  x", rehearsed)).toBeUndefined();
    expect(out.match("  1:0  error  from a.js  x", rehearsed)?.file).toBe("a.js");
  });

  it("tries the newest matcher first, and a match resets the others", () => {
    const set = setOf(ESLINT);
    set.add(matchers({ owner: "new", severity: "notice", pattern: [{ regexp: "^note: (.*)$", message: 1 }] }));
    expect(brief(run(set, "a.js", "note: here", "  1:0  error  lost  x"))).toEqual(["-", "notice here", "-"]);
  });

  it("replaces a matcher of the same owner, whatever its case, and removes by owner", () => {
    const set = setOf(GCC);
    set.add(matchers({ owner: "GCC", pattern: [{ regexp: "^(E.*)$", message: 1 }] }));
    expect(set.matchers.length).toBe(1);
    expect(brief(run(set, "a.c:1:1: error: x", "E1"))).toEqual(["-", "error E1"]);
    set.remove(["Gcc"]);
    expect(set.matchers).toEqual([]);
  });

  it("keeps what a matcher has collected when another comes or goes", () => {
    const set = setOf(ESLINT);
    const state = new MatcherState(set, "/w");
    state.match("a.js", undefined);
    set.add(matchers(GCC));
    expect(state.match("  1:0  error  kept  x", undefined)?.file).toBe("a.js");
  });

  it.each([
    ["numbers that are none are dropped", "a.c", "x", "y", "error", "error a.c m"],
    ["a file outside the workspace is dropped", "../a.c", "1", "2", "error", "error 1 2 m"],
    ["an empty severity is an error", "a.c", "1", "2", "", "error a.c 1 2 m"],
    ["an unknown severity is no match", "a.c", "1", "2", "fatal", "-"],
    ["severities have any case", "a.c", "1", "2", "WARNING", "warning a.c 1 2 m"],
  ])("%s", (_, file, line, column, severity, expected) => {
    const set = setOf({
      owner: "x",
      pattern: [{ regexp: "^(.*);(.*);(.*);(.*);(.*)$", file: 1, line: 2, column: 3, severity: 4, message: 5 }],
    });
    expect(brief(run(set, [file, line, column, severity, "m"].join(";")))).toEqual([expected]);
  });

  it("skips a match without a message, and groups that took no part", () => {
    const set = setOf({ owner: "x", pattern: [{ regexp: "^x(?::(\\d+))? ?(.*)$", line: 1, message: 2 }] });
    expect(brief(run(set, "x:1", "x m"))).toEqual(["-", "error m"]);
  });

  it("roots a file at fromPath, the line's before the matcher's", () => {
    const pattern = [{ regexp: "^(\\S+) in (\\S*)$", file: 1, message: 0, fromPath: 2 }];
    const set = setOf({ owner: "x", fromPath: "default/p.proj", pattern });
    expect(run(set, "a.cs in lib/q.proj", "a.cs in ").map((one) => one?.file)).toEqual(["lib/a.cs", "default/a.cs"]);
  });

  it("does not match lines longer than it says", () => {
    const set = setOf({ owner: "x", pattern: [{ regexp: "^(x+)$", message: 1 }] });
    expect(run(set, "x".repeat((16 << 10) + 1), "xx").map((one) => one?.message)).toEqual([undefined, "xx"]);
  });
});

describe("an expression that takes forever", () => {
  const EVIL = { owner: "evil", pattern: [{ regexp: "^((a+)+)$", message: 1 }] };
  const line = `${"a".repeat(50)}!`;

  it("is cut off, and removed with a warning after three times, others go on", () => {
    const set = setOf(EVIL, GCC);
    const state = new MatcherState(set, "/w");
    for (let count = 0; count < 4; count++) expect(state.match(line, undefined)).toBeUndefined();
    expect(set.matchers.map((matcher) => matcher.owner)).toEqual(["gcc"]);
    expect(set.takeWarnings()).toEqual(["Removing issue matcher 'evil'. Matcher failed 3 times."]);
    expect(state.match("a.c:1:1: error: x", undefined)?.message).toBe("x");
  });

  it("fails the rehearsal of its chunk, not the lines around it", () => {
    const set = setOf(EVIL, GCC);
    expect(set.rehearse(["fine", line])).toBeUndefined();
    expect(brief(run(set, "a.c:1:1: error: x", line, "aaa"))).toEqual(["error a.c 1 1 x", "-", "error aaa"]);
  });

  it("costs a job all its matchers when the time for it is used up, for good", () => {
    let now = 0;
    const set = new MatcherSet(() => (now += 300));
    set.add(matchers(GCC));
    for (let count = 0; count < 7; count++) set.rehearse(["x"]);
    expect(set.matchers).toEqual([]);
    set.add(matchers(GCC));
    expect(set.matchers).toEqual([]);
    expect(set.takeWarnings()).toEqual([
      "Problem matchers are switched off for the rest of this job: they took too long.",
      "Problem matchers are switched off in this job, so none was added.",
    ]);
  });
});

describe("a snapshot of a MatcherSet", () => {
  it("matches the same after a way through JSON", () => {
    const set = setOf(ESLINT, GCC);
    const restored = MatcherSet.restore(JSON.parse(JSON.stringify(set.snapshot())));
    const lines = ["src/a.c:3:5: warning: unused", "/w/b.js", "  1:2  error  bad  rule", "  3:4  warning  worse  rule"];
    expect(brief(run(restored, ...lines))).toEqual(brief(run(set, ...lines)));
    expect(restored.snapshot()).toEqual(set.snapshot());
  });
});
