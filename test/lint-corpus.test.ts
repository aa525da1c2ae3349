import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readManifest } from "../src/action/manifest.ts";
import type { Finding } from "../src/lint/finding.ts";
import { lintAction, lintWorkflow } from "../src/lint/lint-workflow.ts";
import { readWorkflow } from "../src/workflow/read-workflow.ts";
import { sharedData } from "./shared-data.ts";

const corpus = sharedData("corpus");

describe(`lint over real files${corpus.suffix}`, () => {
  it.skipIf(corpus.files.length === 0)("reads all of them, and finds no error but the one that is there", () => {
    const rows = readFileSync(new URL("corpus/manifest.tsv", new URL("./", corpus.folder)), "utf8");
    const files = rows
      .trim()
      .split("\n")
      .slice(1)
      .map((row) => row.split("\t"));
    const findings = files.flatMap(([, , , kind, , file = ""]) => lintFile(kind === "workflow", file));
    const counts = Map.groupBy(findings, ({ rule, severity }) => `${rule} ${severity}`);
    process.stdout.write(
      `${[...counts]
        .map(([rule, found]) => `${rule}: ${found.length}`)
        .toSorted()
        .join("\n")}\n`,
    );
    expect(findings.length).toBeGreaterThan(500);
    // It checks out a pull request's head under pull_request_target, behind an environment that somebody must approve.
    expect(findings.filter(({ severity }) => severity === "error").map(({ file, rule }) => `${file} ${rule}`)).toEqual([
      "actions+starter-workflows/code-scanning/frogbot-scan-pr.yml dangerous-triggers",
    ]);
  });
});

function lintFile(isWorkflow: boolean, file: string): readonly Finding[] {
  const text = readFileSync(new URL(`corpus/${file}`, new URL("./", corpus.folder)), "utf8");
  if (!isWorkflow) {
    const read = readManifest(file, text);
    return read.kind === "read" ? lintAction(file, read.manifest, text) : [];
  }
  const read = readWorkflow(file, text);
  return read.kind === "read" ? lintWorkflow(read.workflow, text) : [];
}
