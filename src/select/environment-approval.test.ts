import { describe, expect, it } from "vitest";
import { environmentNeedsApproval } from "./environment-approval.ts";
import { parseHearthFile } from "./parse-hearth-file.ts";

function fileOf(text: string) {
  const result = parseHearthFile(text);
  if (result.kind === "parsed") return result.file;
  throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
}

describe("approval of environments", () => {
  const file = fileOf("environments:\n  Production: { approval: required }\n  staging: { vars: { A: b } }\n");

  it.each([
    ["production", true],
    ["PRODUCTION", true],
    ["staging", false],
    ["other", false],
    ["", false],
    ["constructor", false],
  ])("is asked for %s: %s", (environment, needed) => {
    expect(environmentNeedsApproval(environment, file, [])).toBe(needed);
  });

  it("is asked for where the operator says so, file or none", () => {
    expect(environmentNeedsApproval("Staging", file, ["staging"])).toBe(true);
    expect(environmentNeedsApproval("any", undefined, ["*"])).toBe(true);
    expect(environmentNeedsApproval("production", undefined, [])).toBe(false);
  });

  it.each(["no", "false", "[required]", "{ required: true }", ""])("cannot be %s in the file", (value) => {
    expect(parseHearthFile(`environments:\n  a:\n    approval: ${value}\n`).kind).toBe("refused");
  });
});
