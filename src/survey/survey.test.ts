import { array, assert, constantFrom, jsonValue, oneof, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { parseContents, parseSurvey } from "./survey.ts";

const lines = (...all: readonly unknown[]): string[] => all.map((one) => JSON.stringify(one));
const end = ["end", 1, false];

function errorOf(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("what a machine says of itself", () => {
  it("is read, with paths put together and addresses as people write them", () => {
    const survey = parseSurvey(
      lines(
        ["p", 7, 1, 12.5, 1001, "runner", "node", "node\0-e\0x"],
        ["p", 8, 1, 13, 1001, "", "kworker", ""],
        ["l", "tcp", "0100007F:0C38", 0, 7],
        ["l", "tcp6", "00000000000000000000000000000000:1FBB", 1001, 0],
        ["l", "udp6", "B80D0120000000000000000001000000:0035", 1001, 0],
        ["d", "/"],
        ["f", "bin", 0o120777, 0, 0, 7, 1, 2, "usr/bin"],
        ["d", "/etc"],
        ["f", "__proto__", 0o100644, 0, 0, 7, 1.5, 2.5],
        ["s", "/usr"],
        ["end", 2, true],
      ),
    );
    expect([...survey.files]).toEqual([
      ["/bin", { mode: 0o120777, uid: 0, gid: 0, sizeBytes: 7, mtimeMs: 1, ctimeMs: 2, target: "usr/bin" }],
      ["/etc/__proto__", { mode: 0o100644, uid: 0, gid: 0, sizeBytes: 7, mtimeMs: 1.5, ctimeMs: 2.5 }],
    ]);
    expect([...survey.untouched]).toEqual(["/usr"]);
    expect(survey.processes.map(({ argv }) => argv)).toEqual([["node", "-e", "x"], []]);
    expect(survey.listeners.map(({ protocol, address, port }) => `${protocol} ${address} ${port}`)).toEqual([
      "tcp 127.0.0.1 3128",
      "tcp :: 8123",
      "udp 2001:db8::1 53",
    ]);
    expect(survey.isCut).toBe(true);
  });

  it.each([
    ["nothing", []],
    ["no end", lines(["d", "/"])],
    ["text", ["x"]],
    ["no list", lines({ d: "/" })],
    ["a kind that nobody knows", lines(["x"], end)],
    ["more after the end", lines(end, ["d", "/"])],
    ["a size that is no number", lines(["f", "a", 1, 2, 3, "4", 5, 6], end)],
    ["an address of no length", lines(["l", "tcp", "00:0C38", 0, 7], end)],
    ["a protocol that nobody asked for", lines(["l", "raw", "0100007F:0C38", 0, 7], end)],
  ])("is refused where it says %s", (_, said) => {
    expect(() => parseSurvey(said)).toThrow(EngineError);
  });

  it("never leads to another error, whatever is said", () => {
    const word = oneof(constantFrom("d", "f", "s", "p", "l", "end", "c"), jsonValue());
    const said = array(
      oneof(
        string(),
        array(word).map((line) => JSON.stringify(line)),
      ),
    );
    assert(
      property(said, (all) => {
        const errors = [() => parseSurvey(all), () => parseContents(all, all.length)].map(errorOf);
        expect(errors.filter((error) => error !== undefined && !(error instanceof EngineError))).toEqual([]);
      }),
    );
  });

  it("has one content for each path, and says what could not be read", () => {
    const said = lines(["c", "ab", "eA=="], ["c", null, null], ["end", 2, false]);
    expect(parseContents(said, 2)).toEqual([
      { digest: "ab", content: Buffer.from("x") },
      { digest: undefined, content: undefined },
    ]);
    expect(() => parseContents(said, 3)).toThrow(EngineError);
  });
});
