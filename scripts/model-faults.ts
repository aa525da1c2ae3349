/**
 * `node scripts/model-faults.ts [rounds]`: a model's server that fails in each of the known ways (SECURITY-RELIABILITY F22), a hundred steps
 * a way. Each step has a process's worth of its own: no earlier failure keeps it from being asked. Beside each another workflow is
 * planned whose action was translated before. Prints a line for each way and ends with 1 when a promise was broken.
 */
import { aRequest, asking, NEVER } from "../test/model/asking.ts";
import { FAULT_MODES, startFakeModel } from "../test/model/fake-model-server.ts";
import type { FaultMode } from "../test/model/fake-model-server.ts";

const rounds = Number(process.argv[2] ?? 100);
const DEADLINE_S = 2;
/** What a step may take: its deadline, and what a busy host adds. */
const LIMIT_MS = DEADLINE_S * 1000 + 3000;
const AT_ONCE = 10;

interface ModeReport {
  /** By the name that a reason begins with, or `translated`. */
  readonly ends: Map<string, number>;
  longestMs: number;
  requests: number;
  tokens: number;
  partial: number;
  affected: number;
}

let broken = 0;
for (const mode of FAULT_MODES) {
  const report = await measure(mode);
  const tooLong = report.longestMs > LIMIT_MS;
  broken += report.partial + report.affected + (tooLong ? 1 : 0);
  const ends = [...report.ends].map(([name, count]) => `${count} ${name}`).join(", ");
  const tokens = Math.round(report.tokens / rounds);
  process.stdout.write(
    `${mode.padEnd(17)} ${ends.padEnd(28)} longest ${(report.longestMs / 1000).toFixed(1)} s, ${(report.requests / rounds).toFixed(1)} requests and ${tokens} tokens counted a step, ${report.partial} partial, ${report.affected} others affected\n`,
  );
}
process.stdout.write(`${FAULT_MODES.length} ways x ${rounds} steps: ${broken} promises broken\n`);
process.exitCode = broken === 0 ? 0 : 1;

async function measure(mode: FaultMode): Promise<ModeReport> {
  const report: ModeReport = { ends: new Map(), longestMs: 0, requests: 0, tokens: 0, partial: 0, affected: 0 };
  const left = Array.from({ length: rounds }, (_, round) => round);
  const work = async (): Promise<void> => {
    for (let round = left.shift(); round !== undefined; round = left.shift()) await one(mode, round, report);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return report;
}

async function one(mode: FaultMode, round: number, report: ModeReport): Promise<void> {
  let failing = false;
  await using server = await startFakeModel({ mode: () => (failing ? mode : "good") });
  const provider = round % 2 === 0 ? "openai" : "ollama";
  const env = { HEARTH_LLM_TIMEOUT_SECONDS: String(DEADLINE_S) };
  await using asked = asking(server.url, provider, { env });
  const other = aRequest({ reference: "octo/before@v1" });
  const kept = await asked.translator.translate(other, NEVER);
  const { requests, tokens } = asked.translator.use;
  failing = true;
  const request = aRequest({ reference: "octo/failing@v1" });
  const start = performance.now();
  const [result, again] = await Promise.all([
    asked.translator.translate(request, NEVER),
    asked.translator.translate(other, NEVER),
  ]);
  report.longestMs = Math.max(report.longestMs, performance.now() - start);
  report.requests += asked.translator.use.requests - requests;
  report.tokens += asked.translator.use.tokens - tokens;
  if (kept.kind !== "translated" || JSON.stringify(again) !== JSON.stringify(kept)) report.affected += 1;
  const end = result.kind === "translated" ? "translated" : (result.reason.split(":", 1)[0] ?? "");
  report.ends.set(end, (report.ends.get(end) ?? 0) + 1);
  // The fake's answers differ in nothing but the action's name.
  const whole = kept.kind === "translated" ? kept.manifest.replaceAll(other.reference, request.reference) : "";
  if (result.kind === "translated" && result.manifest !== whole) report.partial += 1;
}
