/**
 * A history checker (SECURITY-RELIABILITY 4.3): webhooks into the real `hearth serve`, which is killed again and again, while GitHub is
 * played. What was sent, what was answered, and what steps did are written down outside of the server; when all is quiet the record is
 * held against the server's database, its runs and what GitHub was told.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startGitServer } from "../src/select/git-server.fixture.ts";
import type { ServerRun } from "../src/server/server-store.ts";
import { openServerStore } from "../src/server/sqlite-server-store.ts";
import { startFakeGithub } from "./github/fake-github.ts";
import type { FakeGithub } from "./github/fake-github.ts";
import { leftovers } from "./leftovers.ts";
import { sandbox } from "./run-hearth.ts";
import type { RunningHearth, Sandbox } from "./run-hearth.ts";
import { createRepositories, deliver, git, SECRET, until } from "./running-server.ts";

export interface HistoryWish {
  readonly webhooks: number;
  /** A server lives so long after it listens, up to twice that. */
  readonly lifeMs: number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Killed for so long at most; then it may work in peace. */
  readonly killForMs: number;
}

export interface HistoryVerdict {
  readonly kills: number;
  readonly sentAgain: number;
  readonly runs: number;
  readonly repeated: number;
  readonly conclusions: Readonly<Record<string, number>>;
  /** Of those that did not go well, each once. */
  readonly reasons: readonly string[];
  readonly effects: number;
  readonly statuses: number;
  /** Everything that must not be; empty when all is well. */
  readonly faults: readonly string[];
}

const REPOSITORY = "octo-org/count";
const TOKEN = "ghp_history";
const SENDERS = 4;
/** More than kills can hit one run: what is lost then is lost. */
const RETRIES = 10;
const QUIET_MS = 1_800_000;

export async function serveHistory(wish: HistoryWish): Promise<HistoryVerdict> {
  await using box = await sandbox();
  const effects = join(box.directory, "effects");
  const history = join(box.directory, "history.jsonl");
  writeFileSync(effects, "");
  const commits = createCommits(box, effects, wish.webhooks);
  await using gitServer = await startGitServer(join(box.directory, "remote"));
  await using github = await startFakeGithub({ token: TOKEN });
  const note = (entry: object): void => appendFileSync(history, `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const state = join(box.directory, "state");
  const servers = keepServer(box, {
    PORT: String(port),
    HEARTH_STATE: state,
    XDG_RUNTIME_DIR: join(box.directory, "run"),
    REPOSITORY_PATH: "",
    GITHUB_WEBHOOK_SECRET: SECRET,
    GITHUB_TOKEN: TOKEN,
    GITHUB_API_URL: github.apiUrl,
    GITHUB_SERVER_URL: gitServer.url,
    HEARTH_INFRA_RETRIES: String(RETRIES),
    LOG_LEVEL: "error",
  });
  try {
    const killing = killNowAndThen(servers, url, wish, () => isQuiet(state, wish.webhooks), note);
    const tries = await sendAll(url, commits, note);
    await killing;
    await until(() => (isQuiet(state, wish.webhooks) ? true : undefined), QUIET_MS);
    await until(() => (isTold(state) ? true : undefined), QUIET_MS);
    await servers.stop();
    const { runs, ...judged } = judge(state, commits, readFileSync(effects, "utf8"), github);
    return {
      ...judged,
      kills: servers.kills(),
      sentAgain: tries.filter((count) => count > 1).length,
      runs: runs.length,
      repeated: runs.filter(({ attempt }) => attempt > 1).length,
      conclusions: countOf(runs.map(({ conclusion }) => conclusion ?? "none")),
      reasons: [
        ...new Set(runs.flatMap(({ conclusion, reason }) => (conclusion === "success" ? [] : [reason ?? "none"]))),
      ],
      faults: [...judged.faults, ...github.refused, ...(await leftovers(box))],
    };
  } finally {
    await servers.stop();
  }
}

/** One commit for each webhook, in a row on `main`. */
function createCommits({ directory }: Sandbox, effects: string, count: number): readonly string[] {
  const workflow = `on: push
jobs:
  count:
    runs-on: ubuntu-latest
    steps:
      - run: echo "$GITHUB_SHA $GITHUB_RUN_ID $GITHUB_RUN_ATTEMPT" >> '${effects}'
      - run: sleep 0.2
`;
  const [work, bare] = [join(directory, "work"), join(directory, "remote", `${REPOSITORY}.git`)];
  let parent = createRepositories(work, bare, { ".github/workflows/ci.yml": workflow });
  const tree = git(bare, "rev-parse", "HEAD^{tree}");
  const commits: string[] = [];
  for (let index = 0; index < count; index += 1) {
    parent = git(bare, "commit-tree", tree, "-p", parent, "-m", `commit ${index}`);
    commits.push(parent);
  }
  git(bare, "update-ref", "refs/heads/main", parent);
  return commits;
}

interface Servers {
  kill(): void;
  kills(): number;
  stop(): Promise<void>;
}

/** Starts another one whenever one has ended. */
function keepServer(box: Sandbox, env: Record<string, string>): Servers {
  mkdirSync(join(box.directory, "run"), { recursive: true, mode: 0o700 });
  let current: RunningHearth | undefined;
  const closing = new AbortController();
  let kills = 0;
  const keep = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      current = box.start(["serve", "--provider", "host", "--concurrency", "3"], { env });
      const { exitCode, stderr } = await current.ended;
      if (exitCode !== null && !closing.signal.aborted) throw new Error(`the server ended with ${exitCode}: ${stderr}`);
      if (stderr !== "" && !closing.signal.aborted) process.stderr.write(stderr);
    }
  };
  const keeping = keep();
  keeping.catch(() => undefined);
  return {
    kill() {
      kills += 1;
      current?.kill("SIGKILL");
    },
    kills: () => kills,
    async stop() {
      closing.abort();
      current?.kill("SIGTERM");
      await keeping;
    },
  };
}

async function killNowAndThen(
  servers: Servers,
  url: string,
  { lifeMs, random, killForMs }: HistoryWish,
  isOver: () => boolean,
  note: (entry: object) => void,
): Promise<void> {
  const deadlineMs = performance.now() + killForMs;
  while (performance.now() < deadlineMs && !isOver()) {
    await until(async () => ((await isAlive(url)) ? true : undefined));
    await delay(lifeMs * (1 + random()));
    if (isOver()) return;
    note({ kind: "kill" });
    servers.kill();
    // What is dead does not listen.
    await delay(50);
  }
}

async function isAlive(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/healthz`).catch(() => undefined);
  await answer?.arrayBuffer().catch(() => undefined);
  return answer?.ok === true;
}

/** Resolves to how often each was sent: until it was answered 202. */
async function sendAll(
  url: string,
  commits: readonly string[],
  note: (entry: object) => void,
): Promise<readonly number[]> {
  const tries: number[] = [];
  const senders = Array.from({ length: SENDERS }, async (_, sender) => {
    for (let index = sender; index < commits.length; index += SENDERS) {
      tries[index] = 0;
      for (let status: number | undefined; status !== 202;) {
        tries[index] = (tries[index] ?? 0) + 1;
        note({ kind: "sent", guid: guidOf(index) });
        status = await deliver({ url }, "push", pushOf(commits, index), { guid: guidOf(index) });
        if (status !== 202) await delay(50);
      }
      note({ kind: "ack", guid: guidOf(index) });
    }
  });
  await Promise.all(senders);
  return tries;
}

const guidOf = (index: number): string => `guid-${index}`;

function pushOf(commits: readonly string[], index: number): object {
  const [owner = "", name = ""] = REPOSITORY.split("/");
  return {
    ref: "refs/heads/main",
    before: commits[index - 1] ?? "0".repeat(40),
    after: commits[index],
    head_commit: { id: commits[index], message: `commit ${index}` },
    repository: { id: 1, full_name: REPOSITORY, name, owner: { login: owner }, default_branch: "main" },
    sender: { login: "octocat" },
  };
}

/** Reads beside the server, which may be killed meanwhile. */
function isQuiet(state: string, webhooks: number): boolean {
  using store = openStore(state);
  const { waiting, queued, running, completed } = store.runs.counts();
  return store.deliveries.waiting() + waiting + queued + running === 0 && completed >= webhooks;
}

function isTold(state: string): boolean {
  using store = openStore(state);
  return store.outbox.size() === 0 && store.runs.untold(1).length === 0;
}

function openStore(state: string) {
  return openServerStore(join(state, "server"), { now: Date.now, monotonicMs: () => 0 });
}

interface Judged {
  readonly runs: readonly ServerRun[];
  readonly effects: number;
  readonly statuses: number;
  readonly faults: readonly string[];
}

function judge(state: string, commits: readonly string[], effects: string, { statuses }: FakeGithub): Judged {
  using store = openStore(state);
  const runs = store.runs.list({ limit: 10 * commits.length });
  const done = effects.split("\n").filter((line) => line !== "");
  const doneAt = Map.groupBy(done, (line) => line.split(" ")[0] ?? "");
  const last = new Map(statuses.map(({ sha, state: said }) => [String(sha), String(said)]));
  const faults = commits.flatMap((sha, index) => {
    const kept = store.deliveries.find(guidOf(index));
    const own = runs.filter(({ delivery }) => delivery === kept?.id);
    const [run] = own;
    if (run === undefined) return [`${guidOf(index)}: lost`];
    const did = doneAt.get(sha) ?? [];
    const found = [
      ...(own.length === 1 ? [] : [`${own.length} runs`]),
      ...(run.headSha === sha ? [] : ["of another commit"]),
      ...(run.state === "completed" ? [] : [`ended as ${run.state}`]),
      ...(new Set(did).size === did.length ? [] : ["a step of one attempt was run twice"]),
      ...(did.length <= run.attempt ? [] : [`${did.length} effects of ${run.attempt} attempts`]),
      ...(run.conclusion !== "success" || did.length > 0 ? [] : ["a success without an effect"]),
      ...(last.get(sha) === statusOf(run) ? [] : [`${run.conclusion} here, ${last.get(sha)} on GitHub`]),
    ];
    return found.map((fault) => `${guidOf(index)}, run ${run.id}: ${fault}`);
  });
  const strangers = runs.length - commits.length;
  return {
    runs,
    effects: done.length,
    statuses: statuses.length,
    faults: [...faults, ...(strangers > 0 ? [`${strangers} runs more than webhooks`] : [])],
  };
}

function statusOf({ conclusion }: ServerRun): string {
  return conclusion === "success" ? "success" : conclusion === "cancelled" ? "error" : "failure";
}

function countOf(names: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]));
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  return address.port;
}
