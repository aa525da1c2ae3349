import { describe, expect, it } from "vitest";
import { faultOfPolicy } from "./policy.ts";
import type { ActionPolicy } from "./policy.ts";
import { parseActionReference } from "./reference.ts";

const at = { line: 3, column: 5 };

function fault(uses: string, policy: Partial<ActionPolicy>): string | undefined {
  const reference = parseActionReference(uses);
  if (reference.kind !== "remote") throw new Error(`'${uses}' is of no other repository`);
  const found = faultOfPolicy(reference, { allow: undefined, requireSha: undefined, ...policy }, "hearth.yml");
  return found && `${found.fault}: ${found.fix}`;
}

describe("the policy", () => {
  it("allows everything where it says nothing", () => {
    expect(fault("octo/thing@v1", {})).toBeUndefined();
  });

  it("allows owners and repositories that it names, in any case and with any directory, and names its place otherwise", () => {
    const allow = { patterns: ["actions/*", "octo/thing"], at };
    for (const uses of ["actions/cache@v4", "Actions/Cache/restore@v4", "OCTO/thing/sub@v1"]) {
      expect(fault(uses, { allow })).toBeUndefined();
    }
    for (const uses of ["octo/things@v1", "octo/other@v1", "actions-x/cache@v4", "my/actions@v1"]) {
      expect(fault(uses, { allow })).toContain("hearth.yml:3:5 (actions.allow)");
    }
    expect(fault("octo/other@v1", { allow: { patterns: [], at } })).toContain("add octo/other there");
  });

  it("takes only whole commit ids where it requires them", () => {
    expect(fault(`octo/thing@${"a".repeat(40)}`, { requireSha: at })).toBeUndefined();
    for (const ref of ["v1", "a".repeat(39), "a".repeat(41), "main"]) {
      expect(fault(`octo/thing@${ref}`, { requireSha: at })).toContain("hearth.yml:3:5 (actions.require-sha)");
    }
  });
});
