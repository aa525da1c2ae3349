/**
 * `npm test`: sets up what the suites need, then the check, then everything in real machines. A part that fails does not keep the
 * others from running; what could not run is named and counted as not proven, which is a failure.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePackages } from "../src/setup/apt.ts";
import { runSteps } from "./steps.ts";
import type { ScriptStep } from "./steps.ts";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

/** The suite `model` is not among them: its server takes a quarter of an hour to build (docs/models.md says how to run it). */
const SUITES = ["unit", "e2e", "gvisor", "qemu", "firecracker"];
/** What tests run that a fresh Debian may not have; what Hearth itself needs is set up by its own command. */
const TEST_PACKAGES = ["curl", "git", "python3", "strace"];

const reports = mkdtempSync(join(tmpdir(), "hearth-reports-"));
const suite = (name: string): ScriptStep => {
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${join(reports, `${name}.json`)}`];
  return { name: `tests: ${name}`, argv: ["vitest", "run", "--project", name, ...reporters] };
};
const steps: readonly ScriptStep[] = [
  { name: "set up", argv: ["node", "src/main.ts", "setup", "all"] },
  { name: "static checks", argv: ["node", "scripts/check.ts", "--without-tests"] },
  ...SUITES.map(suite),
  { name: "build", argv: ["node", "scripts/build.ts"] },
  { name: "the release starts", argv: ["node", "dist/main.js", "--version"] },
];

try {
  await ensurePackages(TEST_PACKAGES, { progress: say, signal: new AbortController().signal });
  const failed: string[] = [];
  for (const step of steps) if ((await runSteps([step])) !== 0) failed.push(step.name);
  summarise(failed);
} finally {
  rmSync(reports, { recursive: true, force: true });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function summarise(failed: readonly string[]): void {
  const results = SUITES.map((name) => ({ name, report: readReport(name) }));
  const notRun = results.filter(({ report }) => report === undefined).map(({ name }) => name);
  const sum = (key: keyof Report): number => results.reduce((total, { report }) => total + (report?.[key] ?? 0), 0);
  if (failed.length > 0) say(`\nfailed: ${failed.join(", ")}`);
  if (notRun.length > 0) say(`not proven, as the suite did not come to its end: ${notRun.join(", ")}`);
  const [passed, failures, skipped] = [
    sum("numPassedTests"),
    sum("numFailedTests") + notRun.length,
    sum("numPendingTests"),
  ];
  say(`\ntests: ${passed} passed, ${failures} failed, ${skipped} skipped`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function readReport(name: string): Report | undefined {
  try {
    const report: Report = JSON.parse(readFileSync(join(reports, `${name}.json`), "utf8"));
    return report;
  } catch {
    // The suite did not come to its end, which is said above and fails the whole.
    return undefined;
  }
}
