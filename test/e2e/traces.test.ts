/**
 * Traces of real runs through a collector: of `hearth run`, whose end does not depend on the collector in any way, and of a delivery
 * to `hearth serve`. Without machines: provider `host`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { leftovers } from "../leftovers.ts";
import { startCollector } from "../otlp-collector.ts";
import type { Collector, CollectorMode, TakenSpan } from "../otlp-collector.ts";
import { sandbox } from "../run-hearth.ts";
import type { HearthEnd, Sandbox } from "../run-hearth.ts";
import { createRepositories, deliver, git, SECRET, startServer, until } from "../running-server.ts";
import type { RunningServer } from "../running-server.ts";

const WORKFLOW = `
name: Traced
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    strategy: { matrix: { size: [1, 2] } }
    steps:
      - name: say \${{ secrets.KEY }}
        run: echo "canary-line headers=\${OTEL_EXPORTER_OTLP_HEADERS:-none}"
      - name: break
        run: exit \${{ matrix.size == 2 && 7 || 0 }}
      - name: after
        run: echo never
`;

const NO_TRACES = {
  OTEL_EXPORTER_OTLP_ENDPOINT: "",
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "",
  OTEL_EXPORTER_OTLP_HEADERS: "",
  OTEL_SERVICE_NAME: "",
};

let box: Sandbox;
let collector: Collector;
let server: RunningServer | undefined;
beforeEach(async () => {
  server = undefined;
  box = await sandbox();
  collector = await startCollector();
});
afterEach(async () => {
  server?.process.kill("SIGTERM");
  await server?.process.ended;
  await collector[Symbol.asyncDispose]();
  await box[Symbol.asyncDispose]();
});

async function run(env: Record<string, string>): Promise<HearthEnd> {
  const project = join(box.directory, "hello");
  mkdirSync(join(project, ".github/workflows"), { recursive: true });
  writeFileSync(join(project, ".github/workflows/ci.yml"), WORKFLOW);
  const args = ["run", "--provider", "host", "--event", "push", "--secret", "KEY"];
  return await box.run(args, { cwd: project, env: { ...NO_TRACES, ...env, KEY: "s3cr3t-of-the-run", NO_PROXY: "*" } });
}

const named = (name: string): readonly TakenSpan[] => collector.spans().filter((span) => span.name === name);

/** What differs from run to run. */
const steady = (text: string): string =>
  text.replaceAll(/\d+(?:\.\d+)? ?m?s\b/gu, "TIME").replaceAll(/\b[a-z0-9]{10,}\b/gu, "ID");

describe("hearth run", () => {
  it("tells its collector of the run, its machine, jobs and steps, and of nothing that they printed", async () => {
    const end = await run({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20canary-header",
      OTEL_SERVICE_NAME: "ci",
    });
    expect(end.exitCode).toBe(1);
    expect(end.stderr).not.toContain("Traces");
    const [root] = named("RUN Traced");
    expect(root).toMatchObject({ kind: 2, status: { code: 2 } });
    expect(root?.attributes).toMatchObject({
      "hearth.repository": "local/hello",
      "hearth.workflow": ".github/workflows/ci.yml",
      "hearth.event": "push",
      "hearth.provider": "host",
      "hearth.isolation": "none (host)",
      "hearth.conclusion": "failure",
    });
    expect(root?.attributes["vcs.ref.head.revision"]).toMatch(/^[0-9a-f]{40}$/u);
    expect(root?.attributes).not.toHaveProperty("hearth.delivery");
    const spans = collector.spans();
    const parents = new Map(spans.map(({ spanId, name }) => [spanId, name]));
    const below = (name: string) => named(name).map(({ parentSpanId }) => parents.get(parentSpanId ?? ""));
    expect(below("machine")).toEqual(["RUN Traced"]);
    expect(below("build (1)")).toEqual(["RUN Traced"]);
    expect(new Set(below("break"))).toEqual(new Set(["build (1)", "build (2)"]));
    expect(
      named("break").flatMap(({ attributes, status }) => [[attributes["process.exit.code"], status?.code]]),
    ).toEqual(
      expect.arrayContaining([
        [0, undefined],
        [7, 2],
      ]),
    );
    for (const { traceId, startTimeUnixNano, endTimeUnixNano } of spans) {
      expect(traceId).toBe(root?.traceId);
      expect(startTimeUnixNano >= (root?.startTimeUnixNano ?? "")).toBe(true);
      expect(endTimeUnixNano <= (root?.endTimeUnixNano ?? "")).toBe(true);
    }
    expect(named("say ***")).toHaveLength(2);
    const [request] = collector.requests;
    expect(request?.headers["authorization"]).toBe("Bearer canary-header");
    const bodies = collector.requests.map(({ body }) => body).join("\n");
    expect(bodies).not.toMatch(/canary|s3cr3t/u);
    expect(bodies).toContain('{"key":"service.name","value":{"stringValue":"ci"}}');
  });

  it("ends the same whatever becomes of its traces, and says so in one line", async () => {
    const without = await run({});
    expect(without).toMatchObject({ exitCode: 1 });
    expect(collector.requests).toEqual([]);
    const gone = await startCollector();
    await gone[Symbol.asyncDispose]();
    const addresses: readonly [CollectorMode, string][] = [
      ["error", collector.url],
      ["hang", collector.url],
      ["good", gone.url],
      ["good", "localhost:4317"],
    ];
    for (const [mode, address] of addresses) {
      collector.mode = mode;
      const end = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: address });
      expect(end.exitCode).toBe(1);
      expect(steady(end.stdout)).toBe(steady(without.stdout));
      const lines = end.stderr.split("\n");
      expect(lines.filter((line) => line.startsWith("Traces are not sent"))).toHaveLength(1);
      expect(lines.filter((line) => !line.startsWith("Traces")).map(steady)).toEqual(
        without.stderr.split("\n").map(steady),
      );
    }
    expect(collector.spans()).toEqual([]);
    expect(await leftovers(box)).toEqual([]);
  });

  it("has the address among its settings, and no key", async () => {
    const { stdout } = await box.run(["doctor"], {
      env: {
        ...NO_TRACES,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://collector.example/in?key=canary-query",
        OTEL_EXPORTER_OTLP_HEADERS: "k=canary-header",
      },
    });
    expect(stdout).toMatch(/traces.*https:\/\/collector\.example\/in as hearth, with headers/u);
    expect(stdout).toContain("$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    expect(stdout).not.toContain("canary");
  });
});

describe("hearth serve", () => {
  it("tells of the delivery that a run is from, keeps the headers from its steps, and logs what is not taken", async () => {
    collector.mode = "error";
    const work = join(box.directory, "work");
    const bare = join(box.directory, "git/octo-org/hello.git");
    const first = createRepositories(work, bare, { ".github/workflows/ci.yml": WORKFLOW });
    server = await startServer(box, {
      ...NO_TRACES,
      PORT: "0",
      NO_PROXY: "*",
      XDG_RUNTIME_DIR: join(box.directory, "run"),
      REPOSITORY_PATH: join(box.directory, "git"),
      GITHUB_WEBHOOK_SECRET: SECRET,
      GITHUB_TOKEN: "",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=canary-header",
    });
    expect(await deliver(server, "push", push("0".repeat(40), first), { guid: "guid-1" })).toBe(202);
    await until(() => collector.requests.length > 0 || undefined);
    collector.mode = "good";
    git(work, "commit", "--quiet", "--allow-empty", "--message=two");
    git(work, "push", "--quiet", bare, "main");
    const second = git(work, "rev-parse", "HEAD");
    expect(await deliver(server, "push", push(first, second), { guid: "guid-2" })).toBe(202);
    const root = await until(() => named("RUN Traced")[0]);
    expect(root.attributes).toMatchObject({ "hearth.delivery": "guid-2", "hearth.repository": "octo-org/hello" });
    expect(root.attributes["vcs.ref.head.revision"]).toBe(second);
    server.process.kill("SIGTERM");
    const { exitCode, stderr } = await server.process.ended;
    expect(exitCode).toBe(0);
    const told = stderr.split("\n").filter((line) => line.includes("traces not sent"));
    expect(told.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ why: `Traces are not sent to ${collector.url}/v1/traces: it answered 503` }),
    ]);
    const logs = await box.run(["logs", String(root.attributes["cicd.pipeline.run.id"])], {
      env: { XDG_RUNTIME_DIR: join(box.directory, "run") },
    });
    expect(logs.stdout).toContain("headers=none");
    expect(collector.requests.map(({ body }) => body).join("")).not.toContain("canary");
    expect(await leftovers(box)).toEqual([]);
  });
});

function push(before: string, after: string): object {
  const owner = { login: "octo-org" };
  const repository = { id: 1, full_name: "octo-org/hello", name: "hello", owner, default_branch: "main" };
  return { repository, sender: { login: "octocat" }, ref: "refs/heads/main", before, after };
}
