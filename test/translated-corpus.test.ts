/**
 * The workflows of terraphim/terraphim-ai on a host with no action, no network and no model: what each step comes to. The figures
 * are those of docs/translation.md; one that falls is a rule or a built-in that no longer stands for its action.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Way } from "../src/plan/plan.ts";
import { stepsOf } from "../src/plan/plan-jobs.ts";
import { ActionLibrary } from "../src/select/action-library.ts";
import { loadActions } from "../src/select/load-actions.ts";
import type { PlannedUse } from "../src/select/load-actions.ts";
import { ReferencePins } from "../src/select/reference-pins.ts";
import { TranslationLibrary } from "../src/select/translation-library.ts";
import { readWorkflow } from "../src/workflow/read-workflow.ts";
import { sharedData } from "./shared-data.ts";

const { files, folder, suffix } = sharedData("corpus/terraphim+terraphim-ai/workflows/");

it.skipIf(files.length === 0)(`most steps of a real repository have a way without any action${suffix}`, async () => {
  const uses = files.flatMap(usesOf);
  const library = new ActionLibrary(
    [],
    new ReferencePins(undefined, { locked: false, own: { owner: "t", name: "t" } }),
  );
  const translations = new TranslationLibrary({ pinned: [], frozen: false, rules: true, translator: undefined });
  const settings = { lookup: () => undefined, library, options: { builtins: true } };
  const count = async (known: TranslationLibrary | undefined) => {
    const choose = await loadActions(uses, { ...settings, translations: known });
    const ways = uses.map(({ step, inside, job }) => ({ step, way: choose(step, inside, job) }));
    return { ways, counts: countBy(ways.map(({ way }) => way)) };
  };
  const without = await count(undefined);
  const { ways, counts } = await count(translations);
  process.stdout.write(`${files.length} files, ${uses.length} steps: ${JSON.stringify(counts)}\n`);
  const open = ways
    .filter(({ way }) => way.kind === "unsupported")
    .map(({ step }) => ("uses" in step ? step.uses : ""));
  process.stdout.write(
    `without a way: ${[...new Set(open.map((name) => name.replace(/@.*/, "")))].toSorted().join(", ")}\n`,
  );
  expect(without.counts["translated"]).toBeUndefined();
  expect(counts).toMatchObject({ translated: 61 });
  expect((without.counts["unsupported"] ?? 0) - (counts["unsupported"] ?? 0)).toBe(61);
  expect(open).not.toContain("");
});

function usesOf(file: string): readonly PlannedUse[] {
  const read = readWorkflow(file, readFileSync(new URL(file, folder), "utf8"));
  if (read.kind === "refused") return [];
  const inside = { repository: "t/t", path: "", ref: "main", sha: "a".repeat(40) };
  return read.workflow.jobs.flatMap((job) => stepsOf(job).map((step) => ({ step, inside, job })));
}

function countBy(ways: readonly Way[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind } of ways) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
