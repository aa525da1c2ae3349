import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createJsonlRunStore } from "./jsonl-run-store.ts";
import type { RunEvent, RunEventBody } from "./run-event.ts";
import type { NewRun, RunStore, RunWriter } from "./run-store.ts";

const ci: NewRun = { repository: "/repo", workflow: ".github/workflows/ci.yml", event: "push" };
const line = (text: string): RunEventBody => ({ type: "log", job: "build", step: "1", line: text });
const counts = { declared: 1, ran: 1, skipped: 0, notReached: 0, cancelled: 0 };
const ending: RunEventBody = { type: "run_completed", conclusion: "success", error: undefined, counts, durationMs: 7 };

let stateDir: string;
let clockMs: number;
let store: RunStore;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "hearth-store-"));
  clockMs = Date.UTC(2026, 10, 22);
  store = createJsonlRunStore({ stateDir, now: () => (clockMs += 1), random: Math.random });
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const eventsPath = (run: string) => join(stateDir, "runs", run, "events.jsonl");
const linesOf = (run: string) => readFileSync(eventsPath(run), "utf8").split("\n").length - 1;

async function readAll(run: string): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of store.read(run)) events.push(event);
  return events;
}

async function kept(...bodies: RunEventBody[]): Promise<RunWriter> {
  const writer = await store.create(ci);
  for (const body of bodies) writer.append(body);
  await writer.close();
  return writer;
}

describe("writing", () => {
  it("returns each event as it will be read", async () => {
    const writer = await store.create(ci);
    const said = [writer.append(line("one")), writer.append(line("zwei ü\u2028")), writer.append(ending)];
    await writer.close();
    expect(await readAll(writer.run)).toEqual(said.map((event) => JSON.parse(JSON.stringify(event))));
  });

  it("keeps log lines back for a batch and writes at the end of a step", async () => {
    const writer = await store.create(ci);
    for (let i = 0; i < 1000; i += 1) writer.append(line("x"));
    expect(linesOf(writer.run)).toBe(0);
    const fate = { kind: "skipped", reason: "no" } as const;
    writer.append({ type: "step_completed", job: "build", step: "1", phase: "main", name: "n", fate, durationMs: 1 });
    expect(linesOf(writer.run)).toBe(1001);
    await writer.close();
  });

  it("writes what waits after 100 ms", async () => {
    vi.useFakeTimers();
    try {
      const writer = await store.create(ci);
      writer.append(line("x"));
      vi.advanceTimersByTime(99);
      expect(linesOf(writer.run)).toBe(0);
      vi.advanceTimersByTime(1);
      expect(linesOf(writer.run)).toBe(1);
      await writer.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it("bounds what it holds in memory", async () => {
    const writer = await store.create(ci);
    for (let i = 0; i < 10; i += 1) writer.append(line("x".repeat(100_000)));
    expect(statSync(eventsPath(writer.run)).size).toBeGreaterThan(700_000);
    await writer.close();
  });

  it("can be closed twice and takes nothing afterwards", async () => {
    const writer = await kept(ending);
    await writer.close();
    expect(() => writer.append(ending)).toThrow("after the end");
  });

  it("says that the disk refused, and keeps a true prefix (F14)", async () => {
    // A child with a file size limit of 8 KiB: the same path as a full disk, an error from write(2).
    const script = new URL("fixtures/write-until-refused.ts", import.meta.url).pathname;
    const shell = 'ulimit -f 8; trap "" XFSZ; exec "$@"';
    const child = spawnSync("bash", ["-c", shell, "bash", process.execPath, script, stateDir], { encoding: "utf8" });
    const [run = "", code] = child.stdout.trim().split(" ");
    expect(code).toBe("STATE_UNWRITABLE");
    const read = await readAll(run);
    expect(read.length).toBeGreaterThan(10);
    expect(read.map((event) => (event.type === "log" ? event.line : ""))).toEqual(read.map((_, i) => `line ${i}`));
  });
});

describe("reading", () => {
  it("leaves out a last line that a crash tore", async () => {
    const writer = await kept(line("whole"));
    appendFileSync(eventsPath(writer.run), '{"at":"2026');
    expect(await readAll(writer.run)).toHaveLength(1);
  });

  it("names the line when the middle of the file is not an event", async () => {
    const writer = await kept(line("whole"));
    appendFileSync(eventsPath(writer.run), "rubbish\n");
    await expect(readAll(writer.run)).rejects.toMatchObject({ code: "STATE_UNREADABLE", message: /line 2/ });
  });

  it("puts together lines and characters that lie across chunk borders", async () => {
    const texts = Array.from({ length: 40 }, (_, i) => "ü".repeat(9_000 + i));
    const writer = await kept(...texts.map(line));
    expect((await readAll(writer.run)).map((event) => (event.type === "log" ? event.line : ""))).toEqual(texts);
  });
});

describe("what a crash or a removal left", () => {
  it("of a run that is not kept any more nothing is read, and that is said", async () => {
    const { run } = await kept(ending);
    await store.remove(run);
    await expect(readAll(run)).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  it("of a run that was killed before it said anything there are no events", async () => {
    const { run } = await kept(ending);
    rmSync(eventsPath(run));
    expect(await readAll(run)).toEqual([]);
  });

  it("a directory without a word of what run it is goes with the old ones", async () => {
    const { run } = await kept(ending);
    rmSync(join(stateDir, "runs", run, "run.json"));
    for (let i = 0; i < 500; i += 1) {
      mkdirSync(join(stateDir, "runs", `${(clockMs + 10_000 + i).toString(36).padStart(8, "0")}000`));
    }
    clockMs += 100_000;
    await kept(ending);
    expect(readdirSync(join(stateDir, "runs"))).not.toContain(run);
  });
});

describe("listing", () => {
  it("shows the newest first with how they ended", async () => {
    const first = await kept(ending);
    const second = await kept(line("x".repeat(200_000)), ending, { type: "machine_destroyed", machine: "m" });
    expect((await store.list()).map(({ run, state }) => [run, state.status])).toEqual([
      [second.run, "completed"],
      [first.run, "completed"],
    ]);
  });

  it("shows what a run said of itself when it began", async () => {
    const started: RunEventBody = {
      type: "run_started",
      run: "r",
      workflow: { path: "ci.yml", name: "CI" },
      event: { name: "push", sha: "", ref: "" },
      title: "Deploy \u001b[2J",
      attempt: 3,
      provider: "fake",
      declaredSteps: 1,
    };
    await kept(started, ending);
    await kept(line("torn"));
    expect(await store.list()).toMatchObject([
      { title: undefined, attempt: 1 },
      { title: "Deploy \u001b[2J", attempt: 3 },
    ]);
  });

  it("shows a run that is going on as in progress, and as lost when its process is gone without a word", async () => {
    const writer = await store.create(ci);
    expect(await store.list()).toMatchObject([{ state: { status: "in_progress" } }]);
    const path = join(stateDir, "runs", writer.run, "run.json");
    // The same pid, but started at another time: a pid used again.
    writeFileSync(path, readFileSync(path, "utf8").replace(/"startTicks":"\d+"/, '"startTicks":"1"'));
    expect(await store.list()).toMatchObject([{ state: { status: "lost", cause: "killed" } }]);
    writeFileSync(path, readFileSync(path, "utf8").replace(/"bootId":"[^"]+"/, '"bootId":"another boot"'));
    expect(await store.list()).toMatchObject([{ state: { status: "lost", cause: "host_restarted" } }]);
    await writer.close();
  });

  it("leaves out what is not a run without hiding the others", async () => {
    const writer = await kept(ending);
    mkdirSync(join(stateDir, "runs", "aaaaaaaaaaa"));
    writeFileSync(join(stateDir, "runs", "README"), "");
    expect((await store.list()).map(({ run }) => run)).toEqual([writer.run]);
  });

  it("is empty where nothing was ever run", async () => {
    expect(await store.list()).toEqual([]);
  });
});

describe("forgetting", () => {
  it("tells which run was removed, whose other belongings can go then", async () => {
    const removed: string[] = [];
    const onRemoved = async (run: string): Promise<void> => void removed.push(run);
    const telling = createJsonlRunStore({ stateDir, now: () => clockMs, random: Math.random, onRemoved });
    const writer = await telling.create(ci);
    await writer.close();
    await telling.remove(writer.run);
    expect(removed).toEqual([writer.run]);
  });

  it("removes a run with all that is kept of it, at once and again", async () => {
    const writer = await kept(ending);
    await store.remove(writer.run);
    await store.remove(writer.run);
    expect(readdirSync(join(stateDir, "runs"))).toEqual([]);
    await expect(store.remove("../runs")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  it("keeps the newest 500, and what is going on however old it is", async () => {
    const goingOn = await store.create(ci);
    const old = await kept(ending);
    const template = join(stateDir, "runs", old.run);
    for (let i = 0; i < 500; i += 1) {
      const run = (clockMs + 10_000 + i).toString(36).padStart(8, "0") + "000";
      const directory = join(stateDir, "runs", run);
      mkdirSync(directory);
      writeFileSync(
        join(directory, "run.json"),
        readFileSync(join(template, "run.json"), "utf8").replace(old.run, run),
      );
      writeFileSync(join(directory, "events.jsonl"), readFileSync(join(template, "events.jsonl")));
    }
    clockMs += 100_000;
    const newest = await kept(ending);
    const left = (await store.list()).map(({ run }) => run);
    expect(left).toHaveLength(501);
    expect([left[0], left.at(-1), left.includes(old.run)]).toEqual([newest.run, goingOn.run, false]);
    await goingOn.close();
  });
});

describe("finding", () => {
  it("takes the beginning of an id, and the newest without one", async () => {
    await kept(ending);
    const newest = await kept(ending);
    expect(await store.find(undefined)).toMatchObject({ run: newest.run });
    expect(await store.find(newest.run)).toMatchObject({ run: newest.run });
    await expect(store.find(newest.run.slice(0, 2))).rejects.toMatchObject({
      code: "RUN_NOT_FOUND",
      message: /2 runs/,
    });
    await expect(store.find("zz/../..")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });
});

describe("run ids and numbers", () => {
  it("count from 1 for each workflow of each repository", async () => {
    const numbers = [];
    for (const run of [ci, ci, { ...ci, workflow: "b.yml" }, { ...ci, repository: "/other" }, ci]) {
      const writer = await store.create(run);
      numbers.push(writer.runNumber);
      await writer.close();
    }
    expect(numbers).toEqual([1, 2, 1, 1, 3]);
  });

  it("keep the number in a further attempt, as on GitHub, and give none twice", async () => {
    const create = async (attemptOf?: string) => {
      const writer = await store.create({ ...ci, attemptOf });
      await writer.close();
      return writer;
    };
    await create();
    const first = await create();
    const again = await create(first.run);
    const third = await create(again.run);
    expect([first, again, third].map(({ runNumber }) => runNumber)).toEqual([2, 2, 2]);
    expect(await store.find(third.run)).toMatchObject({ runNumber: 2 });
    expect(await store.find(third.run)).not.toHaveProperty("attemptOf");
    expect((await create()).runNumber).toBe(3);
    await store.remove(third.run);
    const ofNothing = [await create(third.run), await create("../../etc"), await create("zzzzzzzzzzz")];
    expect(ofNothing.map(({ runNumber }) => runNumber)).toEqual([4, 5, 6]);
  });

  it("are never given twice, also at the same moment with the same randomness", async () => {
    const random = [0.5, 0.5, 0.7];
    const unlucky = createJsonlRunStore({ stateDir, now: () => clockMs, random: () => random.shift() ?? 0 });
    const a = await unlucky.create(ci);
    const b = await unlucky.create(ci);
    expect(a.run).not.toBe(b.run);
    expect(a.run).toMatch(/^[a-z0-9]{11}$/);
    await Promise.all([a.close(), b.close()]);
  });
});

describe("privacy (A38)", () => {
  it("makes directories 0700 and files 0600 whatever the umask", async () => {
    const old = process.umask(0);
    try {
      const writer = await kept(ending);
      const modes = ["runs", "run-numbers", `runs/${writer.run}`].map(
        (name) => statSync(join(stateDir, name)).mode & 0o777,
      );
      expect(modes).toEqual([0o700, 0o700, 0o700]);
      const files = readdirSync(join(stateDir, "runs", writer.run), { withFileTypes: true });
      for (const file of files) expect(statSync(join(file.parentPath, file.name)).mode & 0o777).toBe(0o600);
      expect(files.map(({ name }) => name).toSorted()).toEqual(["events.jsonl", "run.json"]);
    } finally {
      process.umask(old);
    }
  });

  it("closes a runs directory that stood open", async () => {
    mkdirSync(join(stateDir, "runs"), { mode: 0o755 });
    await kept(ending);
    expect(statSync(join(stateDir, "runs")).mode & 0o777).toBe(0o700);
  });

  it("refuses a runs directory that is a link", async () => {
    symlinkSync(tmpdir(), join(stateDir, "runs"));
    await expect(store.create(ci)).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
  });
});
