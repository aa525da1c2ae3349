import { describe, expect, it, test } from "vitest";
import { idBaseOf, StepIds } from "./step-ids.ts";

describe("ids of steps", () => {
  it("count up when they collide, whatever the case, and stay within a hundred characters", () => {
    const ids = new StepIds();
    expect([ids.makeUp("run"), ids.makeUp("run"), ids.makeUp("Run")]).toEqual(["__run", "__run_2", "__Run_3"]);
    const long = "x".repeat(200);
    expect([ids.makeUp(long).length, ids.makeUp(long).length]).toEqual([100, 100]);
  });

  it("may not be used twice, reserved, or malformed", () => {
    const ids = new StepIds();
    expect(ids.add("build")).toBeUndefined();
    expect(ids.add("BUILD")).toMatch(/may not be used more than once/);
    expect(ids.add("__run")).toMatch(/reserved/);
    for (const id of ["", "1a", "a b", "-a", "a.b", "a".repeat(100), "é"]) expect(ids.add(id)).toMatch(/is invalid/);
  });

  test.each([
    ["actions/checkout@v4", "actions/checkout"],
    ["a/b/deep/path@main", "a/b"],
    ["docker://alpine:3.8", "alpine:3.8"],
    ["./.github/actions/x", "self"],
    ["$/x", "self"],
    ["nonsense", "run"],
  ])("%s makes an id of %s", (uses, base) => {
    expect(idBaseOf(uses)).toBe(base);
  });
});
