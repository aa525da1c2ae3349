/** `npm run check`: format, types, lint, dead code, unit and contract tests. The same command here and in CI. */
import { runSteps } from "./steps.ts";
import type { ScriptStep } from "./steps.ts";

const tests: ScriptStep = { name: "unit and contract tests", argv: ["vitest", "run", "--project", "unit"] };

process.exitCode = await runSteps([
  { name: "format", argv: ["oxfmt", "--check", "."] },
  { name: "types", argv: ["tsc", "-p", "."] },
  { name: "lint", argv: ["oxlint"] },
  { name: "dead code", argv: ["knip"] },
  ...(process.argv.includes("--without-tests") ? [] : [tests]),
]);
