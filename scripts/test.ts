/**
 * `npm test`: sets up what the suites need, then the check, then everything in real machines. What cannot be set up here is
 * named with its fix and its suite counted as not proven, which is not a pass.
 */
import { readFileSync } from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePackages } from "../src/setup/apt.ts";
import { runSteps } from "./steps.ts";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

const reports = mkdtempSync(join(tmpdir(), "hearth-reports-"));
const suite = (name: string): [string, ...string[]] => {
  const file = join(reports, `${name}.json`);
  return ["vitest", "run", "--project", name, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
};
const suites = ["unit", "e2e", "gvisor", "qemu"] as const;

/** What tests run that a fresh Debian may not have; what Hearth itself needs is set up by its own command. */
const TEST_PACKAGES = ["curl", "git", "python3"];

try {
  await ensurePackages(TEST_PACKAGES, {
    progress: (line) => process.stdout.write(`${line}\n`),
    signal: new AbortController().signal,
  });
  process.exitCode = await runSteps([
    { name: "set up", argv: ["node", "src/main.ts", "setup", "all"] },
    { name: "static checks", argv: ["node", "scripts/check.ts", "--without-tests"] },
    ...suites.map((name) => ({ name: `tests: ${name}`, argv: suite(name) })),
    { name: "build", argv: ["node", "scripts/build.ts"] },
    { name: "the release starts", argv: ["node", "dist/main.js", "--version"] },
  ]);
} finally {
  const totals = suites.map(readReport);
  const sum = (key: keyof Report): number => totals.reduce((total, report) => total + (report?.[key] ?? 0), 0);
  process.stdout.write(
    `\ntests: ${sum("numPassedTests")} passed, ${sum("numFailedTests")} failed, ${sum("numPendingTests")} skipped\n`,
  );
  rmSync(reports, { recursive: true, force: true });
}

function readReport(name: string): Report | undefined {
  try {
    const report: Report = JSON.parse(readFileSync(join(reports, `${name}.json`), "utf8"));
    return report;
  } catch {
    // The suite did not come to its end; runSteps has said so, and the exit code is its.
    return undefined;
  }
}
