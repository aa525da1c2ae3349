import { describe, expect, it } from "vitest";
import { aUsesStep } from "../plan/plan-fixture.ts";
import type { Comparison } from "../select/comparison-projects.ts";
import { run } from "./fake-command-line.ts";

const nothing: Comparison = {
  action: "octo/thing@v1",
  reference: { owner: "octo", name: "thing", path: "", ref: "v1" },
  places: ["ci.yml: build, step 1", "ci.yml: test, step 2"],
  step: aUsesStep(1, "octo/thing@v1"),
  translation: undefined,
  why: "there is no translation\u001b[2J of it",
  prepare: () => Promise.reject(new Error("there is nothing to prepare")),
};

describe("hearth translate verify", () => {
  it("is no success where nothing could be compared, and says why without what a terminal would obey", async () => {
    const { code, stdout } = await run(["translate", "verify"], { comparisons: [nothing] });
    expect(code).toBe(4);
    expect(stdout).toContain("octo/thing@v1  ci.yml: build, step 1 and 1 more\n  cannot be compared: there is no");
    expect(stdout).not.toContain("\u001b[2J");
    expect(stdout).toContain("0 the same, 0 differ, 1 not compared\n");
  });

  it("takes --json wherever it stands", async () => {
    for (const args of [
      ["translate", "verify", "--json"],
      ["translate", "--json", "verify"],
    ]) {
      const { code, stdout } = await run(args, { comparisons: [nothing] });
      expect(code).toBe(4);
      expect(JSON.parse(stdout)).toMatchObject([{ action: "octo/thing@v1", by: null, verdict: "not_compared" }]);
    }
  });

  it("is a mistake where no step is meant", async () => {
    const { code, stderr } = await run(["translate", "verify", "octo/else"], { comparisons: [] });
    expect(code).toBe(2);
    expect(stderr).toContain("Nothing to verify: no step uses octo/else");
  });
});
