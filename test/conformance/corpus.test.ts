/**
 * Real workflows, planned for each event they start on: every file that GitHub accepts is held whole, the rest has diagnostics with
 * positions, none crashes, and nothing is said of a file that GitHub would not say, but for what Hearth itself cannot run.
 */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { planCorpus, planDirectory } from "../corpus.ts";
import { sharedData } from "../shared-data.ts";

const { folder, files, suffix } = sharedData("corpus/");

/** Of Hearth's own machines; GitHub would look for such a runner, and wait. */
const ABOUT_RUNNERS = /^Nothing is known of a runner '…'/;

describe.skipIf(files.length === 0)(`the corpus${suffix}`, () => {
  const planned = files.length === 0 ? [] : planCorpus(fileURLToPath(folder));
  const real = planned.filter(({ kind }) => kind === "real");

  it("is planned without a crash, and what is planned holds every declared step", () => {
    expect(planned.length).toBeGreaterThan(350);
    expect(planned.filter(({ outcome }) => outcome === "crashed")).toEqual([]);
    expect(planned.filter(({ declared, held }) => declared !== held)).toEqual([]);
    for (const { message } of planned.filter(({ outcome }) => outcome === "refused")) {
      expect(message).toMatch(/\.ya?ml(?::\d+:\d+)?: error: /);
    }
  });

  it("has one real file that is refused, whose YAML is broken", () => {
    const refused = real.filter(({ outcome }) => outcome === "refused");
    expect(refused.map(({ file }) => file)).toEqual(["terraphim+terraphim-ai/workflows/sentrux-quality-gate.yml"]);
    const errors = real.flatMap(({ diagnostics }) => diagnostics).filter(({ kind }) => kind === "error");
    expect(errors.map(({ text }) => text)).toEqual([
      "terraphim+terraphim-ai:.github/workflows/sentrux-quality-gate.yml:136:1: error: Implicit map keys need to be followed by map values",
    ]);
  });

  it("has no warning that GitHub would not give", () => {
    const warnings = real.flatMap(({ diagnostics }) => diagnostics).filter(({ kind }) => kind === "warning");
    expect(warnings.filter(({ messageClass }) => !ABOUT_RUNNERS.test(messageClass)).map(({ text }) => text)).toEqual(
      [],
    );
    expect(warnings.filter(({ text }) => text.includes("runner ''"))).toEqual([]);
  });

  it("is planned for every event of a file, and most of them start it", () => {
    const plans = real.reduce((sum, file) => sum + file.plans, 0);
    const started = real.reduce((sum, file) => sum + file.started, 0);
    expect(plans).toBeGreaterThan(300);
    expect(started / plans).toBeGreaterThan(0.85);
  });

  it("has 110 jobs and 733 steps in the 30 terraphim workflows, of which one is broken", () => {
    const terraphim = planDirectory(fileURLToPath(new URL("terraphim+terraphim-ai/workflows/", folder)));
    const sum = (key: "jobs" | "declared" | "held"): number => terraphim.reduce((total, file) => total + file[key], 0);
    expect([terraphim.length, sum("jobs"), sum("declared"), sum("held")]).toEqual([30, 110, 733, 733]);
    expect(terraphim.filter(({ outcome }) => outcome === "refused")).toHaveLength(1);
  });
});
