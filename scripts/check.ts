/** `npm run check`: format, types, lint, dead code, unit and contract tests. The same command here and in CI. */
import { runSteps } from "./steps.ts";

process.exitCode = await runSteps([
  { name: "format", argv: ["oxfmt", "--check", "."] },
  { name: "types", argv: ["tsc", "-p", "."] },
  { name: "lint", argv: ["oxlint"] },
  { name: "dead code", argv: ["knip"] },
  { name: "unit and contract tests", argv: ["vitest", "run", "--project", "unit"] },
]);
