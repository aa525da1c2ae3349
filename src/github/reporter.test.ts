/** What is said of a run at each moment, as GitHub would take it: every body goes through the played GitHub's own description. */
import { describe, expect, it } from "vitest";
import { aRun, failed } from "../commands/fake-hearth.ts";
import type { AnnotationFields, RunEvent, RunEventBody } from "../store/run-event.ts";
import type { NewReport, ServerRun } from "../server/server-store.ts";
import { faultsOfWords } from "../../test/github/documented-limits.ts";
import { findRoute } from "../../test/github/github-openapi.ts";
import { readCheckRunBody, readCommentBody, readStatusBody } from "./report-body.ts";
import type { ReportWay } from "./reported-run.ts";
import { createRunReporter } from "./reporter.ts";
import { aServerRun } from "./reported-run.fixture.ts";

const checks: ReportWay = {
  kind: "checks",
  comment: true,
  detailsUrl: (run, job) =>
    `https://hearth.example/runs/${run}${job === undefined ? "" : `?job=${encodeURIComponent(job)}`}`,
};
const statuses: ReportWay = { ...checks, kind: "statuses" };

/** Every report in its order, and the last of each key. */
function reportsOf(run: ServerRun, bodies: readonly RunEventBody[], way: ReportWay, conclusion = ending(bodies)) {
  const all: NewReport[] = [];
  const reporter = createRunReporter(way, (report) => all.push(report));
  all.push(...reporter.standing({ ...run, state: "queued" }));
  for (const [index, body] of bodies.entries()) reporter.onEvent(run, timed(body, index));
  all.push(...reporter.atEnd(run, conclusion, undefined));
  return { all, last: new Map(all.map((report) => [report.key, report])) };
}

function timed(body: RunEventBody, second: number): RunEvent {
  return { at: new Date(Date.UTC(2026, 10, 22, 10, 0, second % 60)).toISOString(), ...body };
}

function ending(bodies: readonly RunEventBody[]) {
  const last = bodies.at(-1);
  return last?.type === "run_completed" ? last.conclusion : "failure";
}

function check(reports: ReadonlyMap<string, NewReport>, key: string) {
  return readCheckRunBody(reports.get(key)?.body ?? "{}");
}

/** What GitHub would say against it. */
function faults({ kind, body }: NewReport): readonly string[] {
  if (kind === "comment") return [];
  const path = kind === "status" ? `/repos/o/r/statuses/${"a".repeat(40)}` : "/repos/o/r/check-runs";
  const route = findRoute("POST", path);
  if (route === undefined) throw new Error("there is such a route");
  const { sha: _sha, ...status }: Record<string, unknown> = JSON.parse(body);
  const sent = kind === "status" ? status : bodyOfCheck(body);
  return [...route.faults(new URLSearchParams(), sent), ...faultsOfWords(route.name, sent)];
}

function bodyOfCheck(body: string): unknown {
  const { fields, annotations } = readCheckRunBody(body);
  return { ...fields, output: { ...fields.output, annotations: annotations.slice(0, 50) } };
}

const annotation: AnnotationFields = {
  level: "error",
  message: "wrong",
  title: undefined,
  file: "src/a.ts",
  line: 3,
  endLine: undefined,
  column: 5,
  endColumn: undefined,
};
const annotated = (fields: Partial<AnnotationFields>): RunEventBody => ({
  type: "annotation",
  job: "build",
  step: "1",
  annotation: { ...annotation, ...fields },
});
const during = (...more: readonly RunEventBody[]): RunEventBody[] => aRun([{ name: "Test" }]).toSpliced(6, 0, ...more);

const plan = (job: string, more: object = {}): RunEventBody => ({
  type: "job_planned",
  job,
  id: job,
  name: "Build",
  steps: [],
  ...more,
});

describe("check runs", () => {
  it("follow the workflow and its job from the queue to the end", () => {
    const { all, last } = reportsOf(aServerRun(), aRun([{ name: "Test" }, { name: "Lint" }]), checks);
    const states = (key: string) =>
      all
        .filter((report) => report.key === key)
        .map(({ body }) => readCheckRunBody(body).fields)
        .map((fields) => fields.conclusion ?? fields.status);
    expect(states("check:7:1:")).toEqual(["queued", "in_progress", "success"]);
    expect(states("check:7:1:build")).toEqual(["queued", "in_progress", "success"]);
    expect(check(last, "check:7:1:").fields).toMatchObject({
      name: "ci.yml (push)",
      head_sha: "a".repeat(40),
      external_id: "hearth:7:1:",
      details_url: "https://hearth.example/runs/7",
      output: { title: "2/2 steps, 1.2s" },
    });
    expect(check(last, "check:7:1:build").fields).toMatchObject({
      name: "ci.yml / Build (push)",
      external_id: "hearth:7:1:build",
      details_url: "https://hearth.example/runs/7?job=build",
      started_at: "2026-11-22T10:00:04.000Z",
      completed_at: "2026-11-22T10:00:09.000Z",
      output: { title: "2/2 steps, 0.9s" },
    });
    expect(all.flatMap(faults)).toEqual([]);
  });

  it("say which step failed, and offer to run again", () => {
    const { last } = reportsOf(
      aServerRun(),
      aRun([{ name: "npm `test`" }, { name: "b", fate: failed }], "failure"),
      checks,
    );
    const { fields } = check(last, "check:7:1:");
    expect(fields).toMatchObject({
      conclusion: "failure",
      output: { title: "Build, step 2, b: exit code 2; 2/2 steps, 1.2s" },
    });
    expect(fields.actions.map(({ identifier }) => identifier)).toEqual(["rerun_failed", "rerun_all"]);
    expect(check(last, "check:7:1:build").fields.output.summary).toContain("| 1 | `npm 'test'` | `success` |");
  });

  it("are of the head commit of a pull request, which gets a line of its comment", () => {
    const run = aServerRun({ event: "pull_request", sha: "b".repeat(40), headSha: "c".repeat(40), pullRequest: 5 });
    const { last } = reportsOf(run, aRun([{ name: "Test" }]), checks);
    expect(check(last, "check:7:1:").fields.head_sha).toBe("c".repeat(40));
    const { body } = last.get("comment:octo/repo#5:ci.yml (pull_request)") ?? { body: "" };
    expect(readCommentBody(body)).toEqual({
      pullRequest: 5,
      label: "ci.yml (pull_request)",
      run: 7,
      line: "`ci.yml (pull_request)` **success**, `1/1 steps, 1.2s`, at `ccccccc`",
    });
  });

  it("tell whose turn it is while the run waits for approval, and are followed by others", () => {
    const reporter = createRunReporter(checks, () => undefined);
    const run = aServerRun({ state: "waiting", waitsFor: "approval", pullRequest: 5, event: "pull_request" });
    const [waiting] = reporter.standing(run);
    const [queued] = reporter.standing({ ...run, state: "queued" });
    expect(readCheckRunBody(waiting?.body ?? "").fields).toMatchObject({
      name: "ci.yml (pull_request)",
      conclusion: "action_required",
      output: { title: "Waits for approval", summary: expect.stringContaining("`hearth approve 7`") },
      actions: [],
    });
    expect(waiting?.key).not.toBe(queued?.key);
    expect(readCheckRunBody(queued?.body ?? "").fields.name).toBe("ci.yml (pull_request)");
  });

  it("are never success for what did not end", () => {
    const whole = aRun([{ name: "Test" }]);
    for (let length = 0; length < whole.length; length += 1) {
      const { last } = reportsOf(aServerRun(), whole.slice(0, length), checks, "failure");
      const conclusions = [...last.values()].map(({ body }) => readCheckRunBody(body).fields.conclusion);
      // The job may have come to its end before the run was lost.
      const isJobOver = whole.slice(0, length).some(({ type }) => type === "job_completed");
      expect(conclusions.filter((conclusion) => conclusion !== "failure")).toEqual(isJobOver ? ["success"] : []);
    }
  });

  it("say why a workflow cannot run, in a fence that its text cannot leave", () => {
    const refusal = "ci.yml:3:5: unknown event\n```\n# big @octo";
    const [report] = createRunReporter(checks, () => undefined).standing(
      aServerRun({ state: "completed", conclusion: "failure", refusal }),
    );
    expect(readCheckRunBody(report?.body ?? "").fields).toMatchObject({
      conclusion: "failure",
      output: { title: "Cannot run", summary: expect.stringContaining(`\`\`\`\`\n${refusal}\n\`\`\`\``) },
    });
  });

  it("carry the summaries of the job's steps, cut to what GitHub shows", () => {
    const { last, all } = reportsOf(
      aServerRun(),
      during(
        { type: "step_summary", job: "build", step: "1", markdown: "# First" },
        { type: "step_summary", job: "build", step: "2", markdown: "😀\n".repeat(40_000) },
      ),
      checks,
    );
    const text = check(last, "check:7:1:build").fields.output.text ?? "";
    expect(text.startsWith("# First\n\n😀\n")).toBe(true);
    expect(text.endsWith("(the rest is cut: GitHub shows no more)")).toBe(true);
    expect(text.isWellFormed()).toBe(true);
    expect(all.flatMap(faults)).toEqual([]);
  });

  it("carry every annotation with a place that GitHub takes", () => {
    const { last, all } = reportsOf(
      aServerRun(),
      during(
        annotated({}),
        annotated({ file: undefined, level: "warning" }),
        annotated({ file: "/etc/passwd", level: "notice" }),
        annotated({ file: "../up" }),
        annotated({ file: "./x.ts", line: 9, endLine: 4, endColumn: 1 }),
        annotated({ line: 2, endLine: 3 }),
        annotated({ line: 0, column: -1, message: "", title: "t".repeat(300) }),
        annotated({ message: "ü".repeat(80_000) }),
      ),
      checks,
    );
    const { annotations } = check(last, "check:7:1:build");
    expect(annotations.slice(0, 6)).toEqual([
      {
        path: "src/a.ts",
        start_line: 3,
        end_line: 3,
        start_column: 5,
        end_column: 5,
        annotation_level: "failure",
        message: "wrong",
      },
      { path: ".github/workflows/ci.yml", start_line: 1, end_line: 1, annotation_level: "warning", message: "wrong" },
      {
        path: ".github/workflows/ci.yml",
        start_line: 1,
        end_line: 1,
        annotation_level: "notice",
        message: "/etc/passwd: wrong",
      },
      {
        path: ".github/workflows/ci.yml",
        start_line: 1,
        end_line: 1,
        annotation_level: "failure",
        message: "../up: wrong",
      },
      {
        path: "x.ts",
        start_line: 9,
        end_line: 9,
        start_column: 5,
        end_column: 5,
        annotation_level: "failure",
        message: "wrong",
      },
      { path: "src/a.ts", start_line: 2, end_line: 3, annotation_level: "failure", message: "wrong" },
    ]);
    expect(all.flatMap(faults)).toEqual([]);
  });

  it("keep the errors of very many annotations, and say how many are missing", () => {
    const many = Array.from({ length: 600 }, (_, index) => annotated({ level: index < 550 ? "notice" : "error" }));
    const { last } = reportsOf(aServerRun(), during(...many), checks);
    const { annotations, fields } = check(last, "check:7:1:build");
    expect(annotations.length).toBe(500);
    expect(annotations.filter(({ annotation_level }) => annotation_level === "failure")).toHaveLength(50);
    expect(fields.output.summary).toContain("100 more annotations are in the log.");
  });

  it("have different names for jobs of the same name, and none for a job that only calls others", () => {
    const run = [
      ...aRun([{ name: "Test" }]).slice(0, 3),
      plan("a"),
      plan("b"),
      plan("call", { calls: "./x.yml", name: "Call" }),
      plan("call / c", { caller: "call", name: "Call / c" }),
    ];
    const { last } = reportsOf(aServerRun(), run, checks, "cancelled");
    const names = [...last.values()].map(({ body }) => readCheckRunBody(body).fields.name);
    expect(names).toEqual([
      "ci.yml (push)",
      "ci.yml / Build [a] (push)",
      "ci.yml / Build [b] (push)",
      "ci.yml / Call / c (push)",
    ]);
  });

  it("of a later attempt leave those alone that the earlier one brought to their end", () => {
    const kept = { kind: "skipped", reason: "it succeeded in run x" } as const;
    const { all } = reportsOf(
      aServerRun({ attempt: 2 }),
      aRun([{ name: "a", fate: kept }]).filter(({ type }) => type !== "job_started"),
      checks,
    );
    expect(all.map(({ key }) => key)).not.toContain("check:7:2:build");
    const again = reportsOf(aServerRun({ attempt: 2 }), aRun([{ name: "a" }]), checks);
    expect(again.all.filter(({ key }) => key === "check:7:2:build").length).toBe(2);
  });

  it("put no request for what changes nothing", () => {
    const { all } = reportsOf(
      aServerRun(),
      aRun([{ name: "a", lines: ["1", "2"] }, { name: "b" }, { name: "c" }]),
      checks,
    );
    expect(all).toHaveLength(6);
  });

  it("let nobody be mentioned by a name", () => {
    const { last } = reportsOf(aServerRun({ pullRequest: 5 }), aRun([{ name: "@octo `@all` | <b>" }]), checks);
    const { summary } = check(last, "check:7:1:build").fields.output;
    expect(summary.replaceAll(/`[^`]*`/g, "")).not.toMatch(/[@<]/);
    expect(summary).toContain("`@octo '@all' \\| <b>`");
  });
});

describe("commit statuses", () => {
  it.each([
    ["success", "success", "1/1 steps, 1.2s"],
    ["failure", "failure", "failure: Build, step 1, Test: exit code 2; 1/1 steps, 1.2s"],
    ["cancelled", "error", "cancelled: 1/1 steps, 1.2s"],
    ["skipped", "success", "skipped: 1/1 steps, 1.2s"],
  ] as const)("say %s", (conclusion, state, description) => {
    const steps = [conclusion === "failure" ? { name: "Test", fate: failed } : { name: "Test" }];
    const { all, last } = reportsOf(aServerRun(), aRun(steps, conclusion), statuses);
    const [status] = [...last.values()];
    expect(readStatusBody(status?.body ?? "")).toEqual({
      sha: "a".repeat(40),
      state,
      description,
      context: "ci.yml (push)",
      target_url: "https://hearth.example/runs/7",
    });
    expect(all.map(({ body }) => readStatusBody(body).state)).toEqual(["pending", "pending", state]);
    expect(all.flatMap(faults)).toEqual([]);
  });

  it("fit, and say how to approve", () => {
    const run = aServerRun({ state: "waiting", waitsFor: "approval" });
    const reporter = createRunReporter(statuses, () => undefined);
    expect(readStatusBody(reporter.standing(run)[0]?.body ?? "")).toMatchObject({
      state: "pending",
      description: "Waits for approval: hearth approve 7",
    });
    const { all } = reportsOf(aServerRun(), aRun([{ name: "x".repeat(500), fate: failed }], "failure"), statuses);
    expect(all.flatMap(faults)).toEqual([]);
  });
});
