import { describe, expect, it } from "vitest";
import { goVersionIn, nodeVersionIn, pythonVersionIn } from "./version-file.ts";

describe("versions in files", () => {
  it.each([
    [".nvmrc", "v22.1.0\n", "22.1.0"],
    [".nvmrc", "# ours\nlts/iron\n", "lts/iron"],
    [".tool-versions", "nodejs 20.11.1\npython 3.12\n", "20.11.1"],
    ["package.json", '{"engines":{"node":">=20"},"volta":{"node":"22.2.0"}}', "22.2.0"],
    [
      "package.json",
      '{"devEngines":{"runtime":[{"name":"bun"},{"name":"node","version":"^24"}]},"engines":{"node":"20"}}',
      "^24",
    ],
    ["package.json", "{}", undefined],
  ])("reads Node's of %s: %j", (name, text, expected) => expect(nodeVersionIn(name, text)).toBe(expected));

  it.each([
    [".python-version", "# x\n3.11\n", "3.11"],
    [".tool-versions", "nodejs 20\npython 3.12.1\n", "3.12.1"],
    ["pyproject.toml", '[project]\nrequires-python = ">=3.10,<3.13"\n', ">=3.10,<3.13"],
    ["Pipfile", '[requires]\npython_version = "3.11"\n', "3.11"],
    ["pyproject.toml", "[project]\n", undefined],
  ])("reads Python's of %s: %j", (name, text, expected) => expect(pythonVersionIn(name, text)).toBe(expected));

  it.each([
    ["go.mod", "module x\n\ngo 1.24\n", "1.24"],
    ["go.mod", "module x\n\ngo 1.24\n\ntoolchain go1.25.1\n", "1.25.1"],
    [".go-version", "go1.25\n", "1.25"],
    [".tool-versions", "golang 1.25.3\n", "1.25.3"],
  ])("reads Go's of %s: %j", (name, text, expected) => expect(goVersionIn(name, text)).toBe(expected));
});
