/**
 * Sends webhooks to a server that is killed again and again, as GitHub and a person who presses "Redeliver" would together: what was not
 * answered 202 is sent again under its GUID. Then looks what became of them (SECURITY-RELIABILITY F01, F02).
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createRepository, git } from "../git/repository.fixture.ts";
import { openServerStore } from "./sqlite-server-store.ts";
import { signatureOf } from "./webhook-signature.ts";

export interface KillWish {
  readonly webhooks: number;
  /** Of the first server: it is killed there, and the next ones live. */
  readonly failAt?: string;
  /** A number from 0 to 1 for each wait between two kills, of up to two seconds; undefined: nothing kills but the fail point. */
  readonly random?: () => number;
  readonly atOnce?: number;
}

export interface KillVerdict {
  readonly kills: number;
  /** Webhooks that were sent more than once. */
  readonly sentAgain: number;
  /** Answered 202 and not kept, or kept without its one completed run. */
  readonly lost: readonly string[];
  /** Kept twice, or with more than one run or result. */
  readonly doubled: readonly string[];
  /** Runs that needed more than one attempt. */
  readonly repeated: number;
  /** What ended the first server. */
  readonly firstEnd: string | null;
}

const DEADLINE_MS = 600_000;
/** Enough to get something done: what is killed at its start again and again proves nothing. */
const LEAST_LIFE_MS = 200;

export async function killServer({ webhooks, failAt, random, atOnce = 8 }: KillWish): Promise<KillVerdict> {
  const directory = mkdtempSync(join(tmpdir(), "hearth-kill-"));
  const repository = join(directory, "hello");
  const workflow = "on: push\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }\n";
  const sha = createRepository(repository, { ".github/workflows/ci.yml": workflow });
  git(repository, "remote", "add", "origin", "https://github.com/octo/hello.git");
  const state = join(directory, "state");
  mkdirSync(state);
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const servers = keepServer(state, repository, failAt);
  try {
    const tries = new Map<string, number>();
    const guids = Array.from({ length: webhooks }, (_, index) => `guid-${index}`);
    let isSent = false;
    const killing =
      random === undefined
        ? undefined
        : killNowAndThen(servers, random, () => isSent || servers.told().kills >= webhooks / 5);
    const senders = Array.from({ length: atOnce }, async (_, sender) => {
      for (let index = sender; index < guids.length; index += atOnce) {
        const guid = guids[index] ?? "";
        tries.set(guid, await sendUntilTaken(servers, guid, sha, deadline));
      }
    });
    await Promise.all(senders);
    if (random === undefined) await servers.whenKilled(deadline);
    await untilQuiet(state, webhooks, deadline);
    isSent = true;
    await killing;
    await untilQuiet(state, webhooks, deadline);
    await servers.stop();
    const sentAgain = [...tries.values()].filter((count) => count > 1).length;
    return { ...servers.told(), sentAgain, ...judge(state, guids) };
  } finally {
    await servers.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Servers {
  /** Undefined while there is none. */
  port(): number | undefined;
  kill(): void;
  told(): { readonly kills: number; readonly firstEnd: string | null };
  whenKilled(deadline: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** Starts another one whenever one has ended. */
function keepServer(state: string, repository: string, failAt: string | undefined): Servers {
  const program = join(import.meta.dirname, "killable-server.fixture.ts");
  const ends: string[] = [];
  let current: ChildProcess | undefined;
  let port: number | undefined;
  const closing = new AbortController();
  const keep = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      const env = { ...process.env, HEARTH_FAIL_AT: ends.length === 0 ? failAt : "" };
      const child = spawn(process.execPath, [program, state, repository], {
        env,
        stdio: ["ignore", "pipe", "inherit"],
      });
      current = child;
      child.stdout.setEncoding("utf8").on("data", (text: string) => (port = Number(text)));
      const end = await new Promise<string>((resolve) => {
        child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
      });
      port = undefined;
      ends.push(end);
      // A server that cannot start would be started for ever.
      if (end !== "SIGKILL" && !closing.signal.aborted) throw new Error(`the server ended with ${end}`);
    }
  };
  const keeping = keep();
  keeping.catch(() => undefined);
  return {
    port: () => port,
    kill: () => void current?.kill("SIGKILL"),
    told: () => ({ kills: ends.filter((end) => end === "SIGKILL").length, firstEnd: ends[0] ?? null }),
    async whenKilled(deadline) {
      while (ends.length === 0) await delay(20, undefined, { signal: deadline });
    },
    async stop() {
      closing.abort();
      current?.kill("SIGTERM");
      await keeping;
    },
  };
}

async function killNowAndThen(servers: Servers, random: () => number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    while (servers.port() === undefined && !isOver()) await delay(10);
    await delay(LEAST_LIFE_MS + random() * 2_000);
    if (!isOver()) servers.kill();
    // What is dead does not listen: its port is not to be counted on while its end is not yet told.
    await delay(20);
  }
}

/** Resolves to how often it was sent. */
async function sendUntilTaken(servers: Servers, guid: string, sha: string, deadline: AbortSignal): Promise<number> {
  for (let tries = 1; ;) {
    const port = servers.port();
    if (port !== undefined) {
      if ((await send(port, guid, sha)) === 202) return tries;
      tries += 1;
    }
    await delay(10, undefined, { signal: deadline });
  }
}

function send(port: number, guid: string, sha: string): Promise<number | undefined> {
  const payload = {
    ref: "refs/heads/main",
    before: guid,
    after: sha,
    repository: { full_name: "octo/hello", default_branch: "main" },
    sender: { login: "ada" },
  };
  const body = Buffer.from(JSON.stringify(payload));
  const headers = {
    "content-type": "application/json",
    "content-length": body.length,
    "x-github-event": "push",
    "x-github-delivery": guid,
    "x-hub-signature-256": signatureOf("secret", body),
  };
  return new Promise((resolve) => {
    const sent = request({ port, host: "127.0.0.1", method: "POST", headers, agent: false }, (response) => {
      response.resume();
      response.once("close", () => resolve(response.statusCode));
    });
    sent.once("error", () => resolve(undefined));
    sent.setTimeout(20_000, () => sent.destroy());
    sent.end(body);
  });
}

/** Until every delivery is settled and every run has ended. Reads beside the server, which may be killed meanwhile. */
async function untilQuiet(state: string, webhooks: number, deadline: AbortSignal): Promise<void> {
  for (;;) {
    {
      using store = openServerStore(state, { now: Date.now, monotonicMs: () => 0 });
      const { waiting, queued, running, completed } = store.runs.counts();
      const isQuiet = store.deliveries.waiting() + waiting + queued + running === 0;
      if (isQuiet && completed >= webhooks) return;
    }
    await delay(100, undefined, { signal: deadline });
  }
}

function judge(state: string, guids: readonly string[]): Pick<KillVerdict, "lost" | "doubled" | "repeated"> {
  using store = openServerStore(state, { now: Date.now, monotonicMs: () => 0 });
  const runs = store.runs.list({ limit: guids.length * 10 });
  const deliveries = store.deliveries.list(guids.length * 10);
  const runsOf = Map.groupBy(runs, ({ delivery }) => delivery);
  const kept = Map.groupBy(deliveries, ({ guid }) => guid);
  const endedOf = (guid: string): number =>
    (kept.get(guid) ?? [])
      .flatMap(({ id }) => runsOf.get(id) ?? [])
      .filter(({ conclusion, run }) => conclusion === "success" && run !== undefined).length;
  const reports = store.outbox.due(Number.MAX_SAFE_INTEGER, guids.length * 10).length;
  return {
    lost: [...guids.filter((guid) => endedOf(guid) === 0), ...(reports < runs.length ? ["reports"] : [])],
    doubled: [
      ...guids.filter((guid) => endedOf(guid) > 1 || (kept.get(guid)?.length ?? 0) > 1),
      ...(runs.length > guids.length ? ["runs"] : []),
    ],
    repeated: runs.filter(({ attempt }) => attempt > 1).length,
  };
}
