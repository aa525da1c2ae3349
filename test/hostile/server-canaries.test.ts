/**
 * The canary test of a server (SECURITY-RELIABILITY 3.1): it keeps five secrets and gives them to runs that put them, in fourteen encodings,
 * into every place that they can reach. Nothing of them is in its database, its log, its numbers, its answers, or what GitHub is
 * told; and nothing of the server's own secrets either. What GitHub was not told yet is searched where it waits.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGitServer } from "../../src/select/git-server.fixture.ts";
import type { GitServer } from "../../src/select/git-server.fixture.ts";
import { startFakeGithub } from "../github/fake-github.ts";
import type { FakeGithub } from "../github/fake-github.ts";
import { ROOT, sandbox } from "../run-hearth.ts";
import type { Sandbox } from "../run-hearth.ts";
import { createRepositories, deliver, git, startServer, until } from "../running-server.ts";
import type { RunningServer } from "../running-server.ts";
import { CANARIES, leaksBelow, leaksIn, NEEDLES, saidInJson } from "./canaries.ts";
import { LEAK, leakyWorkflow } from "./leaky-workflow.ts";

const REPOSITORY = "octo-org/hello";
/** The server's own. */
const OWN = {
  GITHUB_WEBHOOK_SECRET: "own-webhook-secret-8fT2kQ7mZ1",
  GITHUB_TOKEN: "ghp_ownTokenOfTheServer4hG7sK2pQ9",
};

let box: Sandbox;
let gitServer: GitServer;
let github: FakeGithub;
let server: RunningServer;
let apiToken = "";
let sha = "";

const environment = (): Record<string, string> => ({
  ...OWN,
  PORT: "0",
  HEARTH_STATE: join(box.directory, "state"),
  XDG_RUNTIME_DIR: join(box.directory, "run"),
  REPOSITORY_PATH: "",
  GITHUB_API_URL: github.apiUrl,
  GITHUB_SERVER_URL: gitServer.url,
  LOG_LEVEL: "trace",
});

async function read(path: string): Promise<string> {
  return (await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${apiToken}` } })).text();
}

async function runToItsEnd(guid: string, count: number): Promise<void> {
  const push = { ref: "refs/heads/main", before: "0".repeat(40), after: sha, head_commit: { message: guid } };
  const repository = { full_name: REPOSITORY, name: "hello", owner: { login: "octo-org" }, default_branch: "main" };
  expect(await deliver(server, "push", { ...push, repository }, { guid, secret: OWN.GITHUB_WEBHOOK_SECRET })).toBe(202);
  await until(async () => {
    const { runs } = JSON.parse(await read("/api/v1/runs"));
    const all: readonly { readonly state: string }[] = runs;
    return all.length === count && all.every(({ state }) => state === "completed") ? true : undefined;
  }, 300_000);
}

/** Every cell of every table of every database of the server, in bytes as SQLite gives them: pages of it are split. */
function cells(): Buffer {
  const found: Buffer[] = [];
  const state = join(box.directory, "state");
  const files = readdirSync(state, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".db"));
  expect(files).toContain(join("server", "server.db"));
  for (const file of files) {
    using database = new DatabaseSync(join(state, file), { readOnly: true });
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    for (const { name } of tables) {
      for (const row of database.prepare(`SELECT * FROM "${String(name)}"`).all()) {
        found.push(...Object.values(row).map((cell) => Buffer.from(cell instanceof Uint8Array ? cell : String(cell))));
      }
    }
  }
  return Buffer.from(found.map((cell) => cell.toString("latin1")).join("\n"), "latin1");
}

function leaks(bytes: Buffer): readonly string[] {
  const own = Object.entries({ ...OWN, apiToken }).filter(([, value]) => bytes.includes(value));
  return [...leaksIn(bytes), ...leaksIn(saidInJson(bytes)), ...own.map(([name]) => name)];
}

beforeAll(async () => {
  box = await sandbox();
  gitServer = await startGitServer(join(box.directory, "remote"));
  github = await startFakeGithub({ token: OWN.GITHUB_TOKEN });
  const script = join(box.directory, "leak.mjs");
  writeFileSync(script, LEAK);
  const files = { ".github/workflows/leak.yml": leakyWorkflow(script, "exit 3") };
  sha = createRepositories(join(box.directory, "work"), join(box.directory, "remote", `${REPOSITORY}.git`), files);
  for (const [name, value] of Object.entries(CANARIES)) {
    const argv = [join(ROOT, "src", "main.ts"), "secret", "set", name, "--repo", REPOSITORY];
    execFileSync(process.execPath, argv, { input: value, env: { ...process.env, ...environment() } });
  }
  const added = await box.run(["api-token", "add", "test", "--role", "read"], { env: environment() });
  apiToken = added.stdout.trim();
  server = await startServer(box, environment());
});

afterAll(async () => {
  server.process.kill("SIGKILL");
  await server.process.ended;
  await github[Symbol.asyncDispose]();
  await gitServer[Symbol.asyncDispose]();
  await box[Symbol.asyncDispose]();
});

describe("five canaries in a server", { timeout: 600_000 }, () => {
  it("are in none of its sinks, nor are the server's own secrets", async () => {
    await runToItsEnd("told", 1);
    await until(() => (github.statuses.some(({ state }) => state === "failure") ? true : undefined));
    const told = Buffer.concat(github.received.flatMap((bytes) => [bytes, Buffer.from("\n")]));
    const sent = github.calls.length;
    // From now on nobody is there: reports stay in the outbox.
    await github[Symbol.asyncDispose]();
    git(join(box.directory, "work"), "commit", "--quiet", "--allow-empty", "--message=two");
    sha = git(join(box.directory, "work"), "rev-parse", "HEAD");
    git(join(box.directory, "work"), "push", "--quiet", join(box.directory, "remote", `${REPOSITORY}.git`), "main");
    await runToItsEnd("untold", 2);
    const metrics = await read("/metrics");
    const answers = await Promise.all(
      ["/api/v1/runs", "/api/v1/deliveries", "/api/v1/runs/1", "/api/v1/runs/2", "/readyz"].map(read),
    );
    const asked = { ...environment(), HEARTH_SERVER_TOKEN: apiToken };
    const logs = await Promise.all(
      ["1", "2"].map(async (run) => (await box.run(["logs", run, "--server", server.url], { env: asked })).stdout),
    );
    const database = cells();
    server.process.kill("SIGKILL");
    const { stdout, stderr } = await server.process.ended;
    const numbers = database.toString("latin1");
    // A place where nothing was tried would prove nothing.
    expect({
      log: stderr.includes('"run completed"'),
      metrics: /hearth_runs_completed_total\{conclusion="failure"\} 2/u.test(metrics),
      outbox: /hearth_outbox [1-9]/u.test(metrics),
      deliveries: numbers.includes("untold"),
      logs: logs.every((text) => text.includes("tried 70")),
      sent: sent > 0,
    }).toEqual({ log: true, metrics: true, outbox: true, deliveries: true, logs: true, sent: true });
    // GitHub is sent the token that it gave.
    const toldWithoutToken = Buffer.from(told.toString("latin1").replaceAll(OWN.GITHUB_TOKEN, ""), "latin1");
    const sinks = {
      database: leaks(database),
      state: await leaksBelow(join(box.directory, "state")),
      temporary: await leaksBelow(box.temporary),
      log: leaks(Buffer.from(stderr)),
      printed: leaks(Buffer.from(stdout)),
      metrics: leaks(Buffer.from(metrics)),
      answers: leaks(Buffer.from(answers.join("\n"))),
      logs: leaks(Buffer.from(logs.join("\n"))),
      github: leaks(toldWithoutToken),
    };
    process.stdout.write(
      `canaries, server: ${Object.keys(sinks).length} sinks, ${NEEDLES.length} needles, ${database.length} bytes of cells, ${sent} requests, ${Object.values(sinks).flat().length} leaks\n`,
    );
    expect(sinks).toEqual(Object.fromEntries(Object.keys(sinks).map((name) => [name, []])));
  });

  it("would be found in a cell of the database", () => {
    const file = join(box.directory, "state", "server", "server.db");
    const planted = { ...CANARIES, ...OWN };
    using database = new DatabaseSync(file);
    for (const [name, value] of Object.entries(planted)) {
      database.prepare("INSERT INTO notes (name, value) VALUES (?, ?)").run(`planted ${name}`, value);
    }
    const found = leaks(cells());
    for (const name of Object.keys(CANARIES)) expect(found).toContain(`${name}, plain`);
    for (const name of Object.keys(OWN)) expect(found).toContain(name);
  });
});
