/**
 * What a run's files say after the host lost power while the run was written: the events before what is missing, and that the run is lost.
 * A disk may keep less of a file than was written, or its size with zeros where the bytes should be (SECURITY-RELIABILITY F17).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createJsonlRunStore } from "./jsonl-run-store.ts";
import type { RunEvent, RunEventBody } from "./run-event.ts";
import type { RunStore } from "./run-store.ts";

const counts = { declared: 1, ran: 1, skipped: 0, notReached: 0, cancelled: 0 };
const BODIES: readonly RunEventBody[] = [
  { type: "machine_requested", machine: "m" },
  { type: "log", job: "build", step: "1", line: "the first line" },
  { type: "log", job: "build", step: "1", line: 'größer {"type":"run_completed","at":"now"}\n' },
  { type: "run_completed", conclusion: "success", error: undefined, counts, durationMs: 7 },
];
const LOST = { status: "lost", cause: "host_restarted" };

let stateDir: string;
let store: RunStore;
let run: string;
let whole: Buffer;
/** As they are read from the whole file. */
let events: RunEvent[];

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), "hearth-torn-"));
  store = createJsonlRunStore({ stateDir, now: Date.now, random: Math.random });
  const writer = await store.create({ repository: "/repo", workflow: ".github/workflows/ci.yml", event: "push" });
  ({ run } = writer);
  for (const body of BODIES) writer.append(body);
  await writer.close();
  const about = readFileSync(pathOf("run.json"), "utf8").replace(/"bootId":"[^"]+"/u, '"bootId":"another boot"');
  writeFileSync(pathOf("run.json"), about);
  whole = readFileSync(pathOf("events.jsonl"));
  events = await readAll();
});
beforeEach(() => writeFileSync(pathOf("events.jsonl"), whole));
afterAll(() => rmSync(stateDir, { recursive: true, force: true }));

const pathOf = (file: string): string => join(stateDir, "runs", run, file);

async function readAll(): Promise<RunEvent[]> {
  const read: RunEvent[] = [];
  for await (const event of store.read(run)) read.push(event);
  return read;
}

/** Where the last two lines begin, byte by byte, to the end; the end itself is left out. */
function momentsOfLastTwoLines(): number[] {
  const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([index]) => index + 1);
  const start = ends.at(-3) ?? 0;
  return Array.from({ length: whole.length - start }, (_, index) => start + index);
}

/** Those whose lines, with their ends, are in the first bytes. */
const wholeIn = (bytes: number): RunEvent[] =>
  events.slice(0, whole.subarray(0, bytes).toString().split("\n").length - 1);

describe("the log of a run", () => {
  it("is of four events that end it", async () => {
    expect(events).toHaveLength(4);
    expect(momentsOfLastTwoLines().length).toBeGreaterThan(200);
    expect(await store.find(run)).toMatchObject({ state: { status: "completed" } });
  });

  it("cut at any byte of its last two lines is the events before, of a run that is lost", async () => {
    for (const bytes of momentsOfLastTwoLines()) {
      writeFileSync(pathOf("events.jsonl"), whole.subarray(0, bytes));
      expect(await readAll(), `cut at ${bytes}`).toEqual(wholeIn(bytes));
      expect((await store.find(run)).state, `cut at ${bytes}`).toEqual(LOST);
    }
  });

  it("with zeros from any byte of its last two lines on is the events before, of a run that is lost", async () => {
    for (const bytes of momentsOfLastTwoLines()) {
      writeFileSync(pathOf("events.jsonl"), Buffer.from(whole).fill(0, bytes));
      expect(await readAll(), `zeros from ${bytes}`).toEqual(wholeIn(bytes));
      expect((await store.find(run)).state, `zeros from ${bytes}`).toEqual(LOST);
    }
  });

  it.each([1, 511, 4096, 300_000])("followed by %i zeros is the events before them", async (zeros) => {
    const beforeLast = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
    writeFileSync(pathOf("events.jsonl"), Buffer.concat([whole.subarray(0, beforeLast), Buffer.alloc(zeros)]));
    expect(await readAll()).toEqual(events.slice(0, 3));
    expect((await store.find(run)).state).toEqual(LOST);
  });

  it("of which nothing was kept is no event, of a run that is lost", async () => {
    for (const nothing of [Buffer.alloc(0), Buffer.alloc(whole.length)]) {
      writeFileSync(pathOf("events.jsonl"), nothing);
      expect(await readAll()).toEqual([]);
      expect((await store.find(run)).state).toEqual(LOST);
    }
    rmSync(pathOf("events.jsonl"));
    expect((await store.find(run)).state).toEqual(LOST);
  });

  it("with zeros before whole lines says which line is damaged, after the events before", async () => {
    const second = whole.indexOf(0x0a) + 1;
    writeFileSync(pathOf("events.jsonl"), Buffer.from(whole).fill(0, second + 10, second + 20));
    const read: RunEvent[] = [];
    const reading = (async () => {
      for await (const event of store.read(run)) read.push(event);
    })();
    await expect(reading).rejects.toMatchObject({ code: "STATE_UNREADABLE", message: /line 2/u });
    expect(read).toEqual(events.slice(0, 1));
  });
});

describe("what was known of a run before its first event", () => {
  it.each(["", "\0".repeat(300), '{"run":"', "null"])("read as %j leaves the other runs in the list", async (torn) => {
    const other = await store.create({ repository: "/repo", workflow: ".github/workflows/ci.yml", event: "push" });
    await other.close();
    const about = readFileSync(pathOf("run.json"));
    writeFileSync(pathOf("run.json"), torn);
    expect((await store.list()).map((stored) => stored.run)).toEqual([other.run]);
    await expect(store.find(run)).rejects.toMatchObject({ code: "STATE_UNREADABLE" });
    writeFileSync(pathOf("run.json"), about);
    await store.remove(other.run);
  });
});
