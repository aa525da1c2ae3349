import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { parseHearthFile } from "./parse-hearth-file.ts";

describe("actions of hearth.yml", () => {
  it("names owners and repositories with their place, in lower case", () => {
    const result = parseHearthFile("actions:\n  allow: [Actions/*, octo/Thing]\n  require-sha: true\n");
    expect(result).toMatchObject({
      kind: "parsed",
      file: { actions: { allow: { patterns: ["actions/*", "octo/thing"] }, requireSha: { line: 3 } } },
    });
  });

  it("says nothing where it is not there, and requires nothing by false", () => {
    for (const text of ["vars: { A: b }", "actions: { require-sha: false }", "actions:"]) {
      const result = parseHearthFile(text);
      expect(result).toMatchObject({ file: { actions: { allow: undefined, requireSha: undefined } } });
    }
    expect(parseHearthFile("actions: { allow: [] }")).toMatchObject({ file: { actions: { allow: { patterns: [] } } } });
  });

  it.each([
    ["actions: { allow: octo/thing }", "1:19: error: Expected a list (actions.allow)"],
    ["actions: { allow: ['*'] }", "owner/name, or owner/*"],
    ["actions: { allow: ['*/*'] }", "owner/name, or owner/*"],
    ["actions: { allow: [octo/thing@v1] }", "owner/name, or owner/*"],
    ["actions: { allow: [octo/thing/sub] }", "owner/name, or owner/*"],
    ["actions: { allow: [octo/th*] }", "owner/name, or owner/*"],
    ["actions: { require-sha: 'yes' }", "Expected true or false (actions.require-sha)"],
    ["actions: { deny: [] }", "There is no key 'deny' here"],
  ])("is refused as %j", (text, message) => {
    const result = parseHearthFile(text);
    const lines = result.kind === "refused" ? result.diagnostics.map(formatDiagnostic) : [];
    expect(lines.join("\n")).toContain(message);
  });
});
