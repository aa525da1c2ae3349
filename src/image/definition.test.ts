import { array, assert, nat, property, shuffledSubarray } from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { defaultDefinition, definitionDigest, parseDefinition, readDefinition } from "./definition.ts";

const parse = (value: unknown) => parseDefinition(JSON.stringify(value), "mine.json");

describe("image definition", () => {
  it("reads a copy of the default as the default", () => {
    const text = readFileSync(join(import.meta.dirname, "hearth.json"), "utf8");
    expect(parseDefinition(text, "hearth.json")).toEqual(defaultDefinition);
  });

  it("adds to the default what an extension names", () => {
    const mine = parse({ name: "mine", extends: "hearth", packages: ["ruby"], environment: { A: "1" }, run: ["id"] });
    expect(mine).toMatchObject({ name: "mine", suite: "bookworm", labels: defaultDefinition.labels, run: ["id"] });
    expect(mine.packages).toEqual([...defaultDefinition.packages, "ruby"]);
    expect(mine.environment).toEqual({ ...defaultDefinition.environment, A: "1" });
  });

  it.each([
    [{ name: "mine" }, "suite"],
    [{ name: "../up", extends: "hearth" }, "name"],
    [{ name: "mine", extends: "other" }, "extends"],
    [{ name: "mine", extends: "hearth", packges: [] }, "packges"],
    [{ name: "mine", extends: "hearth", packages: ["git", "-o=Dir=/"] }, "packages.1"],
    [{ name: "mine", extends: "hearth", packages: ["a,b"] }, "packages.0"],
    [{ name: "mine", extends: "hearth", environment: { "A B": "1" } }, "environment"],
    [{ name: "mine", extends: "hearth", environment: { A: "1\nLD_PRELOAD=x" } }, "environment.A"],
    [{ name: "mine", extends: "hearth", hostname: "a b" }, "hostname"],
    [{ name: "mine", extends: "hearth", suite: "--help" }, "suite"],
    ["text", "whole file"],
  ])("refuses %j naming file and key", (value, key) => {
    expect(() => parse(value)).toThrow(EngineError);
    expect(() => parse(value)).toThrow("mine.json");
    expect(() => parse(value)).toThrow(key);
  });

  it("refuses what is not JSON, and a file that is not there, by name", async () => {
    expect(() => parseDefinition("{", "mine.json")).toThrow("mine.json");
    await expect(readDefinition("/no/such/mine.json")).rejects.toMatchObject({ code: "BAD_CONFIG" });
  });
});

describe("definitionDigest", () => {
  it("does not depend on the order of packages, labels and variables, nor on repetitions", () => {
    assert(
      property(shuffledSubarray([...defaultDefinition.packages]), array(nat(30)), (packages, again) => {
        const repeated = again.flatMap((index) => packages[index] ?? []);
        const one = { ...defaultDefinition, packages, environment: { A: "1", B: "2" } };
        const other = {
          ...defaultDefinition,
          packages: [...packages.toReversed(), ...repeated],
          labels: defaultDefinition.labels.toReversed(),
          environment: { B: "2", A: "1" },
        };
        expect(definitionDigest(one, "x64")).toBe(definitionDigest(other, "x64"));
      }),
    );
  });

  it("depends on everything that makes another image", () => {
    const variants = [
      defaultDefinition,
      { ...defaultDefinition, name: "other" },
      { ...defaultDefinition, suite: "trixie" },
      { ...defaultDefinition, packages: [] },
      { ...defaultDefinition, hostname: "other" },
      { ...defaultDefinition, environment: {} },
      { ...defaultDefinition, run: ["a", "b"] },
      { ...defaultDefinition, run: ["b", "a"] },
    ];
    const digests = [
      ...variants.map((one) => definitionDigest(one, "x64")),
      definitionDigest(defaultDefinition, "arm64"),
    ];
    expect(new Set(digests).size).toBe(variants.length + 1);
  });
});
