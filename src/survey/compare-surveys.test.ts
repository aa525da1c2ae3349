import { assert, constantFrom, dictionary, nat, oneof, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { compareFiles, compareListeners, compareProcesses, decide } from "./compare-surveys.ts";
import type { SurveyedFile } from "./survey.ts";

const file: SurveyedFile = { mode: 0o100644, uid: 1001, gid: 1001, sizeBytes: 4, mtimeMs: 1, ctimeMs: 1 };
const someFile = record({
  mode: constantFrom(0o100644, 0o100755, 0o040755),
  uid: constantFrom(0, 1001),
  gid: constantFrom(0, 1001),
  sizeBytes: nat(3),
  mtimeMs: nat(3),
  ctimeMs: nat(3),
});
const link = constantFrom("a", "b").map((target): SurveyedFile => ({ ...file, mode: 0o120777, target }));
const files = dictionary(constantFrom("/a", "/a/b", "/c", "/__proto__"), oneof(someFile, link)).map(
  (all) => new Map<string, SurveyedFile>(Object.entries(all)),
);

describe("what differs between two surveys", () => {
  it("says nothing of a machine and itself", () => {
    assert(
      property(files, (all) => {
        expect(compareFiles(all, all)).toEqual({ changes: [], undecided: [] });
      }),
    );
  });

  it("is the same the other way round, with what was added removed", () => {
    const turned = { added: "removed", removed: "added", changed: "changed" };
    const shown = (before: Map<string, SurveyedFile>, after: Map<string, SurveyedFile>, kinds?: typeof turned) => {
      const { changes, undecided } = compareFiles(before, after);
      return [changes.map(({ kind, path }) => [kinds?.[kind] ?? kind, path]), kinds === undefined ? undecided : []];
    };
    assert(
      property(files, files, (one, other) => {
        expect(shown(one, other, turned)[0]).toEqual(shown(other, one)[0]);
      }),
    );
  });

  it("names every path that is different, and none that is equal", () => {
    assert(
      property(files, files, (before, after) => {
        const { changes, undecided } = compareFiles(before, after);
        const named = new Set([...changes.map(({ path }) => path), ...undecided]);
        const paths = [...new Set([...before.keys(), ...after.keys()])];
        const equal = paths.filter((path) => JSON.stringify(before.get(path)) === JSON.stringify(after.get(path)));
        const unlike = paths.filter((path) => {
          const [was, is] = [before.get(path), after.get(path)];
          return was?.mode !== is?.mode || was?.target !== is?.target || was?.uid !== is?.uid;
        });
        expect(equal.filter((path) => named.has(path))).toEqual([]);
        expect(unlike.filter((path) => !named.has(path))).toEqual([]);
      }),
    );
  });

  it("asks for the content of a file whose times were set back, as only its ctime tells of it", () => {
    const after = new Map([["/a", { ...file, ctimeMs: 2 }]]);
    const before = new Map([["/a", file]]);
    const compared = compareFiles(before, after);
    expect(compared).toEqual({ changes: [], undecided: ["/a"] });
    expect(decide(compared, new Set(), before, after)).toEqual([]);
    expect(decide(compared, new Set(["/a"]), before, after)).toMatchObject([{ path: "/a", aspects: ["content"] }]);
  });

  it("adds another content to what else of the file has changed", () => {
    const before = new Map([["/a", file]]);
    const after = new Map([["/a", { ...file, mode: 0o100600, ctimeMs: 2 }]]);
    const compared = compareFiles(before, after);
    expect(compared.undecided).toEqual(["/a"]);
    expect(decide(compared, new Set(["/a"]), before, after)).toMatchObject([{ aspects: ["content", "mode"] }]);
  });

  it("takes a number that a second process was given for another process", () => {
    const one = { pid: 7, parent: 1, startedTicks: 10, uid: 0, user: "root", name: "a", argv: [] };
    const other = { ...one, startedTicks: 20 };
    expect(compareProcesses([one], [other])).toEqual({ left: [other], gone: [one] });
    expect(compareProcesses([one], [one])).toEqual({ left: [], gone: [] });
  });

  it("tells ports apart by protocol and address", () => {
    const one = { protocol: "tcp" as const, address: "127.0.0.1", port: 80, uid: 0, pid: 7 };
    const other = { ...one, address: "0.0.0.0" };
    expect(compareListeners([one], [{ ...one, pid: 8 }, other])).toEqual({ opened: [other], closed: [] });
  });
});
