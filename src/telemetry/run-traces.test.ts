import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startCollector } from "../../test/otlp-collector.ts";
import type { Collector, CollectorMode, TakenSpan } from "../../test/otlp-collector.ts";
import type { Fate, RunEvent, RunEventBody } from "../store/run-event.ts";
import { sendSpans } from "./otlp.ts";
import { createRunTraces } from "./run-traces.ts";
import type { RunTraces, TraceParts } from "./run-traces.ts";

const START_MS = Date.parse("2026-03-01T10:00:00.000Z");
const RUN = { repository: "octo-org/hello", delivery: "11111111-2222-3333-4444-555555555555" };

let collector: Collector;
let warnings: string[];
beforeEach(async () => {
  collector = await startCollector();
  warnings = [];
});
afterEach(() => collector[Symbol.asyncDispose]());

function tracesTo({ url }: Collector, more: Partial<TraceParts> = {}): RunTraces {
  const settings = { url: `${url}/v1/traces`, headers: { "x-team": "canary-header" }, service: "ci" };
  let made = 0;
  const next = (digits: number): string => (made += 1).toString(16).padStart(digits, "a");
  return createRunTraces({
    address: "the collector",
    send: (spans, signal) => sendSpans({ settings, version: "1.2.3", fetch }, spans, signal),
    newIds: () => ({ trace: next(32), next: () => next(16) }),
    warn: (line) => warnings.push(line),
    ...more,
  });
}

/** A second apart from one another. */
function tell(listener: (event: RunEvent) => void, bodies: readonly RunEventBody[], startMs = START_MS): void {
  bodies.forEach((body, index) => listener({ at: new Date(startMs + index * 1000).toISOString(), ...body }));
}

function started(name = "CI"): RunEventBody {
  return {
    type: "run_started",
    run: "r1",
    workflow: { path: ".github/workflows/ci.yml", name },
    event: { name: "push", sha: "c0ffee", ref: "refs/heads/main" },
    provider: "qemu",
    declaredSteps: 2,
  };
}

function completed(conclusion: "success" | "failure", error?: { code: string; message: string }): RunEventBody {
  const counts = { declared: 2, ran: 2, skipped: 0, notReached: 0, cancelled: 0 };
  return { type: "run_completed", conclusion, error, counts, durationMs: 1 };
}

const ready: RunEventBody = {
  type: "machine_ready",
  machine: "m1",
  isolation: "microVM (QEMU, KVM)",
  bootId: "b",
  durationMs: 1000,
};

const planned = (job: string, more: object = {}): RunEventBody => ({
  type: "job_planned",
  job,
  id: job,
  name: job,
  steps: [],
  ...more,
});

const ended = (job: string, conclusion: "success" | "failure", durationMs = 0): RunEventBody => ({
  type: "job_completed",
  job,
  conclusion,
  reason: undefined,
  outputs: { token: "canary-output" },
  durationMs,
});

const stepStarted = (job: string, step: string): RunEventBody => ({
  type: "step_started",
  job,
  step,
  phase: "main",
  name: `step ${step}`,
});

const stepEnded = (job: string, step: string, fate: Fate): RunEventBody => ({
  type: "step_completed",
  job,
  step,
  phase: "main",
  name: `step ${step}`,
  fate,
  durationMs: 0,
});

const ran = (conclusion: "success" | "failure", outcome = conclusion, exitCode = 0): Fate => ({
  kind: "ran",
  outcome,
  conclusion,
  exitCode,
  message: undefined,
});

const outOfMemory: Fate = {
  kind: "ran",
  outcome: "failure",
  conclusion: "failure",
  exitCode: 137,
  message: "killed",
  trouble: "out_of_memory",
};

const named = (name: string): TakenSpan => {
  const found = collector.spans().filter((span) => span.name === name);
  if (found[0] === undefined || found.length > 1) throw new Error(`${found.length} spans are called ${name}`);
  return found[0];
};

const second = (nanoseconds: string): number => (Number(BigInt(nanoseconds) / 1_000_000n) - START_MS) / 1000;

describe("the trace of a run", () => {
  it("has the run, its machine, jobs and steps, each below what it belongs to, at the events' times", async () => {
    const traces = tracesTo(collector);
    tell(traces.follow(RUN), [
      started(),
      planned("test"),
      { type: "machine_requested", machine: "m1" },
      { type: "machine_waiting", machine: "m1", lack: "2048 MiB of memory" },
      ready,
      { type: "job_started", job: "test", machine: "m1" },
      stepStarted("test", "1"),
      { type: "log", job: "test", step: "1", line: "canary-line" },
      { type: "step_summary", job: "test", step: "1", markdown: "canary-summary" },
      stepEnded("test", "1", ran("success", "failure", 3)),
      stepStarted("test", "2"),
      stepEnded("test", "2", outOfMemory),
      stepEnded("test", "3", { kind: "skipped", reason: "an earlier step failed" }),
      ended("test", "failure"),
      { type: "machine_destroyed", machine: "m1" },
      completed("failure"),
    ]);
    await traces.close();

    const root = named("RUN CI");
    expect(root).toMatchObject({ kind: 2, status: { code: 2, message: "failure" } });
    expect(root.parentSpanId).toBeUndefined();
    expect([root.startTimeUnixNano, root.endTimeUnixNano].map(second)).toEqual([0, 15]);
    expect(root.attributes).toEqual({
      "cicd.pipeline.name": "CI",
      "cicd.pipeline.run.id": "r1",
      "cicd.pipeline.result": "failure",
      "vcs.ref.head.name": "refs/heads/main",
      "vcs.ref.head.revision": "c0ffee",
      "hearth.workflow": ".github/workflows/ci.yml",
      "hearth.repository": "octo-org/hello",
      "hearth.event": "push",
      "hearth.provider": "qemu",
      "hearth.isolation": "microVM (QEMU, KVM)",
      "hearth.attempt": 1,
      "hearth.delivery": RUN.delivery,
      "hearth.conclusion": "failure",
      "error.type": "failure",
      "hearth.steps.declared": 2,
      "hearth.steps.ran": 2,
    });
    const machine = named("machine");
    expect(machine).toMatchObject({ parentSpanId: root.spanId, kind: 1 });
    expect(machine.attributes).toMatchObject({
      "hearth.machine.lack": "2048 MiB of memory",
      "hearth.machine.warm": false,
    });
    expect([machine.startTimeUnixNano, machine.endTimeUnixNano].map(second)).toEqual([2, 4]);
    const job = named("test");
    expect(job).toMatchObject({ parentSpanId: root.spanId, status: { code: 2 } });
    expect(job.attributes).toMatchObject({ "cicd.pipeline.task.run.id": "test", "hearth.machine": "m1" });
    expect([job.startTimeUnixNano, job.endTimeUnixNano].map(second)).toEqual([5, 13]);

    const [first, failed, skipped] = ["1", "2", "3"].map((step) => named(`step ${step}`));
    expect(first).toMatchObject({ parentSpanId: job.spanId });
    expect(first?.attributes).toMatchObject({
      "hearth.fate": "ran",
      "hearth.outcome": "failure",
      "process.exit.code": 3,
    });
    expect(first?.status).toBeUndefined();
    expect([first?.startTimeUnixNano ?? "", first?.endTimeUnixNano ?? ""].map(second)).toEqual([6, 9]);
    expect(failed).toMatchObject({ parentSpanId: job.spanId, status: { code: 2, message: "killed" } });
    expect(failed?.attributes).toMatchObject({ "process.exit.code": 137, "error.type": "out_of_memory" });
    expect(skipped).toMatchObject({ parentSpanId: job.spanId, attributes: { "hearth.fate": "skipped" } });
    expect(skipped?.startTimeUnixNano).toBe(skipped?.endTimeUnixNano);
    expect(skipped?.status).toBeUndefined();

    const spans = collector.spans();
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
    const [request] = collector.requests;
    expect(request).toMatchObject({ path: "/v1/traces", headers: { "x-team": "canary-header" } });
    expect(request?.headers["content-type"]).toBe("application/json");
    expect(request?.body).toContain('{"key":"service.name","value":{"stringValue":"ci"}}');
    expect(request?.body).not.toContain("canary");
    expect(warnings).toEqual([]);
  });

  it("has the jobs of a called workflow below the job that calls it, which began as long ago as it took", async () => {
    const traces = tracesTo(collector);
    tell(traces.follow(RUN), [
      started(),
      planned("deploy", { calls: "./.github/workflows/deploy.yml" }),
      planned("deploy / ship", { caller: "deploy" }),
      { type: "job_started", job: "deploy / ship", machine: "m1" },
      stepStarted("deploy / ship", "1"),
      stepEnded("deploy / ship", "1", ran("success")),
      ended("deploy / ship", "success"),
      ended("deploy", "success", 4_500),
      completed("success"),
    ]);
    await traces.close();
    const [root, caller, called] = [named("RUN CI"), named("deploy"), named("deploy / ship")];
    expect(caller).toMatchObject({
      parentSpanId: root.spanId,
      attributes: { "hearth.calls": "./.github/workflows/deploy.yml" },
    });
    expect(called.parentSpanId).toBe(caller.spanId);
    expect(named("step 1").parentSpanId).toBe(called.spanId);
    expect([caller.startTimeUnixNano, caller.endTimeUnixNano].map(second)).toEqual([2.5, 7]);
    expect(root.status).toBeUndefined();
  });

  it("ends what never said its own end, takes a clock that was set back, and cuts long names at whole characters", async () => {
    const traces = tracesTo(collector);
    const listener = traces.follow(RUN);
    const long = `${"x".repeat(126)}😀 and more`;
    tell(listener, [
      started(long),
      { type: "machine_requested", machine: "m1" },
      planned("test"),
      stepStarted("test", "1"),
    ]);
    tell(listener, [completed("failure", { code: "IMAGE_MISSING", message: "no image" })], START_MS - 60_000);
    await traces.close();
    const spans = collector.spans();
    expect(spans.map(({ name }) => name).toSorted()).toEqual(
      ["machine", `RUN ${"x".repeat(123)}…`, "step 1", "test"].toSorted(),
    );
    for (const { startTimeUnixNano, endTimeUnixNano } of spans) expect(endTimeUnixNano >= startTimeUnixNano).toBe(true);
    const root = spans.find(({ parentSpanId }) => parentSpanId === undefined);
    expect(root).toMatchObject({ status: { message: "no image" }, attributes: { "error.type": "IMAGE_MISSING" } });
    expect(root?.attributes["cicd.pipeline.result"]).toBe("error");

    const cutInside = tracesTo(collector);
    tell(cutInside.follow(RUN), [started(`${"x".repeat(122)}😀😀`), completed("success")]);
    await cutInside.close();
    expect(collector.requests.at(-1)?.body).not.toMatch(/\\ud[89a-f]/iu);
  });

  it("goes out as far as it is when a machine is lost, and the rest at the end", async () => {
    const traces = tracesTo(collector);
    const listener = traces.follow(RUN);
    const loss = { machine: "m1", cause: "ended", reason: "it was killed", console: "canary-console" } as const;
    tell(listener, [started(), { type: "machine_requested", machine: "m1" }, ready, { type: "machine_lost", ...loss }]);
    await until(() => collector.requests.length === 1);
    expect(collector.spans().map(({ name }) => name)).toEqual(["machine", "machine lost"]);
    expect(named("machine lost")).toMatchObject({
      status: { message: "it was killed" },
      attributes: { "error.type": "ended" },
    });
    tell(listener, [completed("failure", { code: "MACHINE_LOST", message: "lost" })]);
    await traces.close();
    expect(named("machine lost").parentSpanId).toBe(named("RUN CI").spanId);
    expect(collector.requests.map(({ body }) => body).join("")).not.toContain("canary");
  });

  it("goes out in parts when it is long", async () => {
    const traces = tracesTo(collector);
    const steps = Array.from({ length: 1_000 }, (_, index) => stepEnded("test", String(index), ran("success")));
    tell(traces.follow(RUN), [started(), planned("test"), ...steps, ended("test", "success"), completed("success")]);
    await traces.close();
    expect(collector.requests.length).toBeGreaterThan(3);
    expect(collector.spans()).toHaveLength(1_002);
    const job = named("test");
    expect(collector.spans().filter(({ parentSpanId }) => parentSpanId === job.spanId)).toHaveLength(1_000);
  });
});

describe("a collector that does not take them", () => {
  it.each<[CollectorMode, RegExp, number?]>([
    ["error", /^Traces are not sent to the collector: it answered 503$/u],
    ["redirect", /: it answered 307$/u],
    ["cut", /^Traces are not sent to the collector: ./u],
    ["hang", /: no answer within 1000 ms$/u, 1_000],
  ])("(%s) is told of once, until it takes them again", async (mode, warning, deadlineMs = 60_000) => {
    collector.mode = mode;
    const traces = tracesTo(collector, { deadlineMs });
    for (let count = 1; count <= 3; count += 1) {
      tell(traces.follow(RUN), [started(), completed("success")]);
      await until(() => collector.requests.length === count);
    }
    await until(() => warnings.length > 0);
    collector.mode = "good";
    await until(() => {
      if (collector.spans().length > 0) return true;
      tell(traces.follow(RUN), [started(), completed("success")]);
      return false;
    });
    expect(warnings).toEqual([expect.stringMatching(warning)]);
    await traces.close();
    expect(collector.requests.some(({ path }) => path === "/elsewhere")).toBe(false);
  });

  it("holds nobody up at the end, and nothing is sent to it afterwards", async () => {
    collector.mode = "hang";
    const traces = tracesTo(collector, { deadlineMs: 200 });
    const listener = traces.follow(RUN);
    for (let run = 0; run < 50; run += 1) {
      const steps = Array.from({ length: 70 }, (_, index) => stepEnded("test", String(index), ran("success")));
      tell(traces.follow(RUN), [started(), ...steps, completed("success")]);
    }
    await traces.close();
    await traces.close();
    const { length } = collector.requests;
    // One after another each would have had its own deadline.
    expect(length).toBeLessThan(14);
    collector.mode = "good";
    tell(listener, [started(), completed("success")]);
    await traces.close();
    expect(collector.spans()).toEqual([]);
    expect(warnings).toHaveLength(1);
  });

  it("is not waited for with more than so many spans", async () => {
    const sent: number[] = [];
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const send: TraceParts["send"] = async (spans) => {
      sent.push(spans.length);
      await held;
    };
    const traces = tracesTo(collector, { send, maxWaiting: 10, deadlineMs: 60_000 });
    for (let run = 0; run < 30; run += 1) tell(traces.follow(RUN), [started(), completed("success")]);
    expect(warnings).toEqual([expect.stringMatching(/1 spans were dropped/u)]);
    release();
    await traces.close();
    expect(sent).toEqual([1, 10]);
  });
});

describe("an event that cannot be read", () => {
  it("costs its own run's trace alone", async () => {
    const traces = tracesTo(collector);
    const listener = traces.follow(RUN);
    // The time is none.
    listener({ ...started(), at: "never" });
    listener({ ...completed("success"), at: "never" });
    tell(traces.follow(RUN), [started("next"), completed("success")]);
    await traces.close();
    expect(collector.spans().map(({ name }) => name)).toEqual(["RUN next"]);
    expect(warnings).toHaveLength(1);
  });
});

async function until(look: () => boolean): Promise<void> {
  for (const deadlineMs = performance.now() + 15_000; performance.now() < deadlineMs;) {
    if (look()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("it never came");
}
