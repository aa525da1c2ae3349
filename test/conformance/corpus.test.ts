/** Real workflows: every file that GitHub accepts is held whole, the rest has diagnostics with positions, none crashes. */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { planCorpus, planDirectory } from "../corpus.ts";
import { sharedData } from "../shared-data.ts";

const { folder, files, suffix } = sharedData("corpus/");

describe.skipIf(files.length === 0)(`the corpus${suffix}`, () => {
  it("is planned without a crash, and what is planned holds every declared step", () => {
    const planned = planCorpus(fileURLToPath(folder));
    expect(planned.length).toBeGreaterThan(350);
    expect(planned.filter(({ outcome }) => outcome === "crashed")).toEqual([]);
    expect(planned.filter(({ declared, held }) => declared !== held)).toEqual([]);
    const refused = planned.filter(({ outcome, kind }) => outcome === "refused" && kind === "real");
    expect(refused.map(({ file }) => file)).toEqual(["terraphim+terraphim-ai/workflows/sentrux-quality-gate.yml"]);
    for (const { message } of planned.filter(({ outcome }) => outcome === "refused")) {
      expect(message).toMatch(/\.ya?ml(?::\d+:\d+)?: error: /);
    }
  });

  it("has 110 jobs and 733 steps in the 30 terraphim workflows, of which one is broken", () => {
    const planned = planDirectory(fileURLToPath(new URL("terraphim+terraphim-ai/workflows/", folder)));
    const sum = (key: "jobs" | "declared" | "held"): number => planned.reduce((total, file) => total + file[key], 0);
    expect([planned.length, sum("jobs"), sum("declared"), sum("held")]).toEqual([30, 110, 733, 733]);
    expect(planned.filter(({ outcome }) => outcome === "refused")).toHaveLength(1);
  });
});
