/**
 * The canary test (SECURITY-RELIABILITY 3.1): a workflow that was given five secrets puts them, in fourteen encodings, into every place
 * that it can reach; it succeeds, fails, is cancelled and loses its Hearth. Nothing that Hearth keeps, prints or sends has any of
 * them. The control shows that one planted leak is found.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleepFor } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createRunReporter } from "../../src/github/reporter.ts";
import { aServerRun } from "../../src/github/reported-run.fixture.ts";
import { startSending, TOKEN } from "../github/sending.ts";
import { readEvents } from "../../src/store/event-reader.ts";
import { zipOf } from "../../src/lib/zip.fixture.ts";
import { startFakeGithub } from "../github/fake-github.ts";
import { sandbox } from "../run-hearth.ts";
import type { Sandbox } from "../run-hearth.ts";
import { CANARIES, ENCODINGS, leaksBelow, leaksIn, NEEDLES, saidInJson } from "./canaries.ts";
import { LEAK, leakyWorkflow } from "./leaky-workflow.ts";

interface Tried {
  readonly box: Sandbox;
  readonly printed: string;
  readonly processes: ReadonlySet<string>;
}

const quoted = (value: string): string => `"${value.replaceAll(/["\\$]/g, "\\$&").replaceAll("\n", "\\n")}"`;

async function tryToLeak(box: Sandbox, last: string, end: "let" | "SIGINT" | "SIGKILL"): Promise<Tried> {
  const project = join(box.directory, "project", ".github", "workflows");
  await mkdir(project, { recursive: true });
  const script = join(box.directory, "leak.mjs");
  await writeFile(script, LEAK);
  const secretFile = join(box.directory, "given-secrets");
  await writeFile(
    secretFile,
    Object.entries(CANARIES)
      .map(([name, value]) => `${name}=${quoted(value)}\n`)
      .join(""),
  );
  await writeFile(join(project, "leak.yml"), leakyWorkflow(script, last));
  const started = box.start(["run", "--provider", "host", "--verbose", "--secret-file", secretFile], {
    cwd: join(box.directory, "project"),
  });
  const ended = new AbortController();
  const processes = new Set<string>();
  const sampling = (async () => {
    while (!ended.signal.aborted) {
      for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
        processes.add((await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")).replaceAll("\0", " "));
      }
      await sleepFor(50);
    }
  })();
  if (end !== "let") {
    await logHas(box, "leaked everything");
    started.kill(end);
  }
  const { stdout, stderr } = await started.ended;
  ended.abort();
  await sampling;
  return { box, printed: stdout + stderr, processes };
}

/** In the record: what is printed comes when the process likes. */
async function logHas({ directory }: Sandbox, text: string): Promise<void> {
  for (;;) {
    const runs = await readdir(join(directory, "state", "runs")).catch(() => []);
    for (const run of runs) {
      const events = await readFile(join(directory, "state", "runs", run, "events.jsonl"), "utf8").catch(() => "");
      if (events.includes(`"line":"${text}"`)) return;
    }
    await sleepFor(50);
  }
}

/** Everything that a server would tell GitHub of the run, as it was received. */
async function received({ directory }: Sandbox): Promise<{ bytes: Buffer; requests: number }> {
  await using github = await startFakeGithub({ token: TOKEN });
  const sending = startSending({ apiUrl: github.apiUrl });
  const [run = ""] = await readdir(join(directory, "state", "runs"));
  for (const [id, kind] of [
    [1, "checks"],
    [2, "statuses"],
  ] as const) {
    const reporter = createRunReporter({ kind, comment: true, detailsUrl: () => undefined }, (report) =>
      sending.put(report),
    );
    const server = aServerRun({ id, pullRequest: 5 });
    for await (const event of readEvents(join(directory, "state", "runs", run, "events.jsonl")))
      reporter.onEvent(server, event);
    sending.put(...reporter.atEnd(server, "failure", undefined));
  }
  await sending.settled();
  await sending.stop();
  expect({ refused: github.refused, abandoned: sending.abandoned }).toEqual({ refused: [], abandoned: [] });
  return {
    bytes: Buffer.concat(github.received.flatMap((bytes) => [bytes, Buffer.from("\n")])),
    requests: github.calls.length,
  };
}

/** A place where nothing was tried would prove nothing. */
async function placesTried({ directory }: Sandbox): Promise<readonly string[]> {
  const [run = ""] = await readdir(join(directory, "state", "runs"));
  const places = new Set<string>();
  for await (const event of readEvents(join(directory, "state", "runs", run, "events.jsonl"))) {
    const text = JSON.stringify(event);
    if (event.type === "log" && text.includes("tried 70")) places.add("log");
    if (event.type === "log" && text.includes("ARTIFACT_SECRET")) places.add("artifact");
    if (event.type === "log" && text.includes("CACHE_SECRET")) places.add("cache");
    if (event.type === "log" && text.includes("its name holds a secret")) places.add("name of an upload");
    if (event.type === "api_write" && event.status === 201) places.add("API");
    if (["annotation", "step_summary", "group"].includes(event.type) && text.includes("***")) places.add(event.type);
    if (event.type === "step_completed" && event.name.includes("named ***")) places.add("name of a step");
    if (event.type === "step_completed" && event.fate.kind === "ran" && event.fate.message?.includes("***") === true)
      places.add("error");
  }
  return [...places].toSorted();
}

const EVERY_PLACE = [
  "API",
  "annotation",
  "artifact",
  "cache",
  "error",
  "group",
  "log",
  "name of a step",
  "name of an upload",
  "step_summary",
];

const PATHS = [
  ["success", "true", "let"],
  ["failure", "exit 3", "let"],
  ["cancel", "sleep 600", "SIGINT"],
  ["crash", "sleep 600", "SIGKILL"],
] as const;

describe("five canaries in fourteen encodings", () => {
  it("are what the test says", () => {
    expect(Object.keys(CANARIES)).toHaveLength(5);
    expect(Object.keys(ENCODINGS)).toHaveLength(14);
    expect(new Set(NEEDLES.map(({ what }) => what)).size).toBe(70);
    for (const [name, value] of Object.entries(CANARIES)) {
      for (const [encoding, encode] of Object.entries(ENCODINGS)) {
        expect(leaksIn(Buffer.from(`before ${encode(value)} after`))).toContain(`${name}, ${encoding}`);
      }
    }
  });

  it.each(PATHS)(
    "leave nothing in any sink of a run that ends by %s",
    async (path, last, end) => {
      await using box = await sandbox();
      const { printed, processes } = await tryToLeak(box, last, end);
      const github = await received(box);
      if (path === "crash") {
        // What is left of a killed Hearth is removed by the next one.
        await writeFile(
          join(box.directory, "project", ".github", "workflows", "leak.yml"),
          "on: push\njobs: { a: { runs-on: x, steps: [{ run: 'true' }] } }\n",
        );
        await box.run(["run", "--provider", "host"], { cwd: join(box.directory, "project") });
      }
      const sinks = {
        state: await leaksBelow(join(box.directory, "state")),
        temporary: await leaksBelow(box.temporary),
        printed: leaksIn(Buffer.from(printed)),
        processes: leaksIn(Buffer.from([...processes].join("\n"), "latin1")),
        github: [...leaksIn(github.bytes), ...leaksIn(saidInJson(github.bytes))],
      };
      const tried = await placesTried(box);
      process.stdout.write(
        `canaries, ${path}: ${Object.keys(sinks).length} sinks, ${NEEDLES.length} needles, ${processes.size} command lines, ${github.requests} requests, ${Object.values(sinks).flat().length} leaks\n`,
      );
      expect({ tried, ...sinks }).toEqual({
        tried: EVERY_PLACE,
        state: [],
        temporary: [],
        printed: [],
        processes: [],
        github: [],
      });
    },
    600_000,
  );

  it("would be found: one planted leak in each kind of file", async () => {
    await using box = await sandbox();
    const secret = Buffer.from(CANARIES["CANARY_ASCII"] ?? "").toString("hex");
    await mkdir(join(box.directory, "state", "deep"), { recursive: true });
    const plant = (name: string, bytes: Buffer | string) =>
      writeFile(join(box.directory, "state", "deep", name), bytes);
    await plant("plain.wal", `\0\0${secret}\0`);
    await plant(
      "events.jsonl",
      `{"a":[{"b":${JSON.stringify(ENCODINGS["JSON"]?.(CANARIES["CANARY_JSON"] ?? ""))}}]}\n`,
    );
    await plant("cache.gz", gzipSync(`a ${secret} b`));
    await plant("artifact", zipOf([{ name: "x", content: `a ${secret} b` }]));
    expect((await leaksBelow(join(box.directory, "state"))).toSorted()).toEqual([
      "deep/artifact: CANARY_ASCII, hex",
      "deep/cache.gz: CANARY_ASCII, hex",
      "deep/events.jsonl: CANARY_JSON, ASCII JSON",
      "deep/events.jsonl: CANARY_JSON, JSON",
      "deep/plain.wal: CANARY_ASCII, hex",
    ]);
  });
});
