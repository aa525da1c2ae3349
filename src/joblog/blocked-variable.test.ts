import { describe, expect, it } from "vitest";
import { isBlockedVariable } from "./blocked-variable.ts";

describe("isBlockedVariable", () => {
  it.each([
    ["NODE_OPTIONS", true],
    ["node_options", true],
    ["NODE_OPTION", false],
    ["PATH", false],
  ])("%s: %s", (name, isBlocked) => {
    expect(isBlockedVariable(name)).toBe(isBlocked);
  });
});
