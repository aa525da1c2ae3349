import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FAIL_POINTS } from "./fail-point.ts";

describe("fail points", () => {
  it("are all in the code that they are about; test/e2e/kill-server.test.ts comes to each", () => {
    const files = readdirSync(import.meta.dirname).filter((name) =>
      /(?<!\.test|\.fixture|\.contract)\.ts$/u.test(name),
    );
    const code = files.map((name) => readFileSync(join(import.meta.dirname, name), "utf8")).join("\n");
    expect(FAIL_POINTS.filter((name) => !code.includes(`fp("${name}")`))).toEqual([]);
  });
});
