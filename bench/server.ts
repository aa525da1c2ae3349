/**
 * `node bench/server.ts [provider] [times]`: how long from a webhook to what its first step prints, with machines made ahead where the provider
 * makes any (0 times: not measured); the memory of a server with 10,000 deliveries behind it and 100 runs before it; and how long
 * `/healthz` takes while it is loaded.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { runCommand } from "../src/lib/run-command.ts";
import { openServerStore } from "../src/server/sqlite-server-store.ts";
import { sandbox } from "../test/run-hearth.ts";
import { createRepositories, deliver, git, SECRET, startServer, until } from "../test/running-server.ts";

const [provider, times] = [process.argv[2] ?? "gvisor", Number(process.argv[3] ?? 9)];
const REPOSITORY = "octo-org/bench";
const [HISTORY, QUEUED] = [10_000, 100];
const FORMAT = "%{http_code} %{time_total}";
const [LOAD_CONNECTIONS, LOAD_RUNS, LOAD_MS] = [16, 20, 10_000];
const WORKFLOW = `on: { push: , workflow_dispatch: }
jobs:
  first:
    runs-on: ubuntu-latest
    steps:
      - run: date +printed-%s%3N
      - if: github.event_name == 'workflow_dispatch'
        run: sleep 600
`;

await using box = await sandbox();
const bare = join(box.directory, "git", `${REPOSITORY}.git`);
const first = createRepositories(join(box.directory, "work"), bare, { ".github/workflows/ci.yml": WORKFLOW });
let last = first;
const state = join(box.directory, "state");
const env = {
  PORT: "0",
  HEARTH_STATE: state,
  XDG_RUNTIME_DIR: join(box.directory, "run"),
  REPOSITORY_PATH: join(box.directory, "git"),
  GITHUB_WEBHOOK_SECRET: SECRET,
  GITHUB_TOKEN: "",
  LOG_LEVEL: "error",
  HEARTH_DRAIN_SECONDS: "0",
};
const token = (await box.run(["api-token", "add", "bench", "--role", "run"], { env })).stdout.trim();
const headers = { authorization: `Bearer ${token}` };

if (times > 0) await measureLatency();
await measureMemory();
await measureHealth();

async function measureLatency(): Promise<void> {
  const server = await startServer(box, env, ["--provider", provider]);
  try {
    const taken: number[] = [];
    for (let index = 0; index <= times; index += 1) {
      const sentAtMs = Date.now();
      await push(server.url, commit(index));
      const run = String(index + 1);
      const printedAtMs = await until(async () => {
        const found = /printed-(?<at>\d+)/u.exec(await ask(server.url, `/api/v1/runs/${run}/logs`))?.groups?.["at"];
        return found === undefined ? undefined : Number(found);
      });
      // The first one waits for a machine that nobody could have made ahead.
      if (index > 0) taken.push(printedAtMs - sentAtMs);
      await until(async () =>
        (await ask(server.url, `/api/v1/runs/${run}`)).includes('"completed"') ? true : undefined,
      );
      await untilReady(server.url);
    }
    const metrics = await ask(server.url, "/metrics");
    const warm = /^hearth_pool_warm_total (?<count>\d+)/mu.exec(metrics)?.groups?.["count"];
    const sorted = taken.toSorted((left, right) => left - right);
    process.stdout.write(
      `${provider}: webhook to first output, ${times} times: median ${sorted[Math.floor(times / 2)]} ms, ` +
        `best ${sorted[0]} ms, worst ${sorted.at(-1)} ms; ${warm} machines were ready\n`,
    );
  } finally {
    server.process.kill("SIGTERM");
    await server.process.ended;
  }
}

async function measureMemory(): Promise<void> {
  {
    using store = openServerStore(join(state, "server"), { now: Date.now, monotonicMs: () => performance.now() });
    const body = JSON.stringify({ repository: { full_name: REPOSITORY }, filling: "x".repeat(8_000) });
    const common = { event: "issues", repository: REPOSITORY, identity: undefined, body, source: "webhook" } as const;
    for (let index = 0; index < HISTORY; index += 100) {
      const some = Array.from({ length: 100 }, (_, at) => ({ ...common, guid: `old-${index + at}` }));
      for (const accepted of store.deliveries.acceptAll(some)) {
        if (accepted.kind === "accepted") store.deliveries.settle(accepted.id, { state: "ignored", reason: "old" });
      }
    }
  }
  const server = await startServer(box, env, ["--provider", "host", "--concurrency", "1"]);
  try {
    await delay(2_000);
    const empty = rssMib(server.process.pid);
    const body = JSON.stringify({ repository: REPOSITORY, workflow: "ci.yml" });
    const asked = { method: "POST", body, headers: { ...headers, "content-type": "application/json" } };
    const { status } = await fetch(`${server.url}/api/v1/dispatches`, asked);
    if (status !== 202) throw new Error(`the dispatch was answered ${status}`);
    await until(async () =>
      (await ask(server.url, "/api/v1/runs?state=running")).includes('"id"') ? true : undefined,
    );
    for (let index = 0; index < QUEUED; index += 1) await push(server.url, commit(1_000 + index));
    await until(
      async () => (/^hearth_runs\{state="queued"\} 100$/mu.test(await ask(server.url, "/metrics")) ? true : undefined),
      600_000,
    );
    process.stdout.write(
      `memory with ${HISTORY} deliveries kept: ${empty} MiB; with one run going on and ${QUEUED} queued: ` +
        `${rssMib(server.process.pid)} MiB\n`,
    );
  } finally {
    server.process.kill("SIGTERM");
    await server.process.ended;
  }
}

/** While webhooks come over some connections without a pause, and runs are planned and run. */
async function measureHealth(): Promise<void> {
  const server = await startServer(box, env, ["--provider", "host", "--concurrency", "2"]);
  let deliveries = 0;
  const ending = new AbortController();
  try {
    for (let index = 0; index < LOAD_RUNS; index += 1) await push(server.url, commit(2_000 + index));
    const senders = Array.from({ length: LOAD_CONNECTIONS }, async () => {
      while (!ending.signal.aborted) {
        deliveries += 1;
        const star = { action: "created", number: deliveries, filling: "x".repeat(8_000) };
        await deliver(server, "star", { ...star, repository: { full_name: REPOSITORY } });
      }
    });
    const taken: number[] = [];
    for (const endMs = performance.now() + LOAD_MS; performance.now() < endMs; await delay(20)) {
      // A process of its own: this one is busy with sending.
      const { stdout } = await runCommand(["curl", "-s", "-o", "/dev/null", "-w", FORMAT, `${server.url}/healthz`]);
      const [status, seconds] = stdout.split(" ");
      if (status !== "200") throw new Error(`/healthz was answered ${status}`);
      taken.push(Number(seconds) * 1000);
    }
    ending.abort();
    await Promise.all(senders);
    const sorted = taken.toSorted((left, right) => left - right);
    const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
    process.stdout.write(
      `/healthz, ${sorted.length} times while ${Math.round((deliveries * 1000) / LOAD_MS)} webhooks came each second and ` +
        `${LOAD_RUNS} runs were due: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(1)} ms\n`,
    );
  } finally {
    ending.abort();
    server.process.kill("SIGKILL");
    await server.process.ended;
  }
}

/** On top of the last one: what is pushed away is not to be had any more. */
function commit(index: number): string {
  last = git(bare, "commit-tree", `${first}^{tree}`, "-p", last, "-m", `push ${index}`);
  git(bare, "update-ref", "refs/heads/main", last);
  return last;
}

async function push(url: string, sha: string): Promise<void> {
  const repository = {
    id: 1,
    full_name: REPOSITORY,
    name: "bench",
    owner: { login: "octo-org" },
    default_branch: "main",
  };
  const payload = { ref: "refs/heads/main", before: first, after: sha, repository, sender: { login: "octocat" } };
  const status = await deliver({ url }, "push", payload);
  if (status !== 202) throw new Error(`the webhook was answered ${status}`);
}

async function ask(url: string, path: string): Promise<string> {
  return await (await fetch(`${url}${path}`, { headers })).text();
}

/** A machine is ready for the next run; at most ten seconds, since some providers make none ahead. */
async function untilReady(url: string): Promise<void> {
  const isReady = async (): Promise<true | undefined> =>
    /^hearth_pool_ready [1-9]/mu.test(await ask(url, "/metrics")) ? true : undefined;
  await until(isReady, provider === "host" ? 100 : 10_000).catch(() => undefined);
}

function rssMib(pid: number): number {
  const kib = /^VmRSS:\s+(?<kib>\d+)/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.groups?.["kib"];
  return Math.round(Number(kib) / 1024);
}
