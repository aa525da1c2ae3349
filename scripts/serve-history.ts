/**
 * `node scripts/serve-history.ts [--webhooks N] [--seed S] [--life MS] [--kill-for MS]`: webhooks into the real `hearth serve`, which is
 * killed every two seconds or so; says what was lost, done twice, or told otherwise than it ended. Ends with 1 when anything was.
 */
import { parseArgs } from "node:util";
import { serveHistory } from "../test/serve-history.ts";

const number = { type: "string" } as const;
const { values } = parseArgs({ options: { webhooks: number, seed: number, life: number, "kill-for": number } });
const webhooks = Number(values.webhooks ?? 1_000);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
let state = seed + 1;
const startedAt = performance.now();
const { faults, ...told } = await serveHistory({
  webhooks,
  random: next,
  lifeMs: Number(values.life ?? 2_000),
  killForMs: Number(values["kill-for"] ?? 3_600_000),
});
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
process.stdout.write(`${webhooks} webhooks, ${seconds} s, seed ${seed}: ${faults.length} faults\n`);
process.stdout.write(`${JSON.stringify(told)}\n`);
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.exitCode = faults.length === 0 ? 0 : 1;

/** A linear congruential generator (Numerical Recipes): the waits come again with the seed. */
function next(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}
