/**
 * `node scripts/kill-server.ts [--webhooks N] [--seed S]`: sends webhooks to a server that is killed at random moments, and says what was
 * lost or done twice. Ends with 1 when anything was.
 */
import { parseArgs } from "node:util";
import { killServer } from "../src/server/kill-server.fixture.ts";

const { values } = parseArgs({ options: { webhooks: { type: "string" }, seed: { type: "string" } } });
const webhooks = Number(values.webhooks ?? 1_000);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
let state = seed + 1;
const startedAt = performance.now();
const verdict = await killServer({ webhooks, random: next });
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
const { kills, sentAgain, lost, doubled, repeated } = verdict;
process.stdout.write(
  `${webhooks} webhooks, ${kills} kills, ${seconds} s, seed ${seed}: ${lost.length} lost, ${doubled.length} doubled, ` +
    `${sentAgain} sent again, ${repeated} runs with another attempt\n`,
);
for (const guid of lost) process.stdout.write(`lost: ${guid}\n`);
for (const guid of doubled) process.stdout.write(`doubled: ${guid}\n`);
process.exitCode = lost.length + doubled.length === 0 ? 0 : 1;

/** A linear congruential generator (Numerical Recipes): the waits come again with the seed. */
function next(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}
