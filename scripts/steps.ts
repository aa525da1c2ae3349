/** Runs a list of commands one after another, says how long each took, and stops at the first that fails. */
import { spawn } from "node:child_process";

export interface ScriptStep {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

/** Resolves to the exit code of the first step that failed, else 0. */
export async function runSteps(steps: readonly ScriptStep[]): Promise<number> {
  for (const step of steps) {
    const startedAt = performance.now();
    process.stdout.write(`\n> ${step.name}: ${step.argv.join(" ")}\n`);
    const [program, ...args] = step.argv;
    const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(`> ${step.name}: ${code === 0 ? "passed" : `FAILED (exit ${code})`} in ${seconds} s\n`);
    if (code !== 0) return code ?? 1;
  }
  return 0;
}
