import { describe, expect, it } from "vitest";
import { compareVersions, highestVersion, isWithin } from "./tool-version.ts";

describe("highestVersion", () => {
  const versions = ["24.2.0", "24.21.0", "24.3.0", "2.4.0", "25.0.0-rc.1", "v8.x", "3.1.0", "3.12.1"];
  it.each([
    ["24", "24.21.0"],
    ["24.3", "24.3.0"],
    ["24.3.0", "24.3.0"],
    ["2", "2.4.0"],
    ["3.1", "3.1.0"],
    ["25", undefined],
    ["9", undefined],
  ])("takes %s for %s", (wish, expected) => expect(highestVersion(versions, wish)).toBe(expected));
});

it("compares versions by their numbers", () => {
  expect(["1.10.0", "1.9.9", "1.25", "1.25.1"].toSorted(compareVersions)).toEqual([
    "1.9.9",
    "1.10.0",
    "1.25",
    "1.25.1",
  ]);
});

describe("isWithin", () => {
  it.each([
    ["24.21.0", "^20.17.0 || >=22.9.0", true],
    ["20.16.0", "^20.17.0 || >=22.9.0", false],
    ["21.0.0", "^20.17.0 || >=22.9.0", false],
    ["18.2.0", "14 || >=16 <19", true],
    ["3.12.1", ">=3.9", true],
    ["3.8.0", ">= 3.9", false],
    ["3.11.2", ">=2.7,!=3.0.*,!=3.1.*", true],
    ["3.11.2", "*", true],
    ["3.11.2", "~=3.9", false],
    ["3.11.2", "anything", false],
  ])("says whether %s is within %s", (version, range, expected) => expect(isWithin(version, range)).toBe(expected));
});
