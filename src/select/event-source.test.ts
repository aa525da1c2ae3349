import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { commit, createRepository, createTestDirectory, git, writeFiles } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { describeRepository } from "../git/repository.ts";
import type { Event } from "../plan/event.ts";
import { aTrigger, aWorkflow } from "../plan/plan-fixture.ts";
import type { Trigger } from "../workflow/workflow.ts";
import { createEventSource, madeUpRefs } from "./event-source.ts";
import type { EventSourceRequest } from "./event-source.ts";

let directory: TestDirectory;
let root: string;

beforeEach(() => {
  directory = createTestDirectory();
  root = join(directory.path, "hello");
  vi.stubEnv("GIT_CONFIG_GLOBAL", "/dev/null");
});

afterEach(() => {
  vi.unstubAllEnvs();
  directory[Symbol.dispose]();
});

async function eventOf(request: Partial<EventSourceRequest>, ...triggers: Partial<Trigger>[]): Promise<Event> {
  const workflows = [aWorkflow({ triggers: triggers.map((trigger) => aTrigger(trigger)) })];
  const whole = { event: "push", payload: undefined, inputs: {}, ...request };
  return (await createEventSource(whole, await describeRepository(root), workflows, "ada")).at();
}

/** `main`, and `topic` with one commit more, checked out, with a file that is not committed. */
function createBranches(): { readonly main: string; readonly topic: string } {
  const main = createRepository(root, { "a.txt": "1" });
  git(root, "checkout", "-q", "-b", "topic");
  const topic = commit(root, { "src/b.txt": "1" }, "topic's");
  writeFiles(root, { "new.txt": "" });
  return { main, topic };
}

describe("createEventSource", () => {
  it("makes a push of what is checked out, and a scheduled run of the default branch", async () => {
    const { main, topic } = createBranches();
    expect(await eventOf({})).toMatchObject({ sha: topic, ref: "refs/heads/topic", headCommitMessage: "topic's" });
    expect(await eventOf({ event: "schedule" })).toMatchObject({ sha: main, ref: "refs/heads/main" });
  });

  it("takes the default branch's commit from origin where it is not checked out here", async () => {
    const { main } = createBranches();
    git(root, "update-ref", "refs/remotes/origin/main", main);
    git(root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main");
    git(root, "branch", "-D", "-q", "main");
    const event = await eventOf({ event: "issues" });
    expect(event).toMatchObject({ sha: main, ref: "refs/heads/main" });
    expect(madeUpRefs(event, await describeRepository(root))).toEqual([]);
  });

  it("asks git what changed only where a workflow filters paths", async () => {
    createBranches();
    expect((await eventOf({}, {})).changedFiles).toBeUndefined();
    expect((await eventOf({}, { paths: ["src/**"] })).changedFiles).toEqual(["new.txt", "src/b.txt"]);
    expect((await eventOf({}, { event: "pull_request", paths: ["x"] })).changedFiles).toBeUndefined();
  });

  it("compares the commits of a payload, without what is not committed", async () => {
    const { main, topic } = createBranches();
    const filter = { paths: ["x"] };
    const older = commit(root, { "c.txt": "1" });
    expect(older).not.toBe(topic);
    expect((await eventOf({ payload: { before: main, after: topic } }, filter)).changedFiles).toEqual(["src/b.txt"]);
    expect((await eventOf({ payload: { before: main, after: "1".repeat(40) } }, filter)).changedFiles).toBeUndefined();
  });

  it("finds the commit of a tag that a payload names", async () => {
    const { main } = createBranches();
    git(root, "tag", "-a", "-m", "annotated", "v1", main);
    const payload = { action: "published", release: { tag_name: "v1" } };
    expect(await eventOf({ event: "release", payload })).toMatchObject({ sha: main, ref: "refs/tags/v1" });
  });

  it("spells the schedule as the workflow does", async () => {
    createBranches();
    const schedules = [
      { cron: "5  4 * * *", timezone: undefined },
      { cron: "0 0 * * 1", timezone: undefined },
    ];
    const trigger = { event: "schedule", schedules };
    const scheduled = async (schedule: string | undefined): Promise<unknown> =>
      (await eventOf({ event: "schedule", schedule }, trigger)).payload["schedule"];
    expect(await scheduled("5 4 * * *")).toBe("5  4 * * *");
    expect(await scheduled(undefined)).toBeUndefined();
    await expect(scheduled("1 1 * * *")).rejects.toMatchObject({
      code: "BAD_USAGE",
      message: "No workflow has the schedule '1 1 * * *'",
      hint: "There are: 5  4 * * *; 0 0 * * 1.",
    });
  });

  it.each<[string, Partial<EventSourceRequest>]>([
    ["There is no event 'pusch' that starts workflows", { event: "pusch" }],
    ["There is no event 'constructor' that starts workflows", { event: "constructor" }],
    ["--schedule is for the event schedule; the event is push", { schedule: "0 0 * * *" }],
    [
      "Cannot use the payload of repository_dispatch: a repository_dispatch needs its event type, as `action`",
      { event: "repository_dispatch", payload: {} },
    ],
  ])("says: %s", async (message, request) => {
    createBranches();
    await expect(eventOf(request)).rejects.toMatchObject({ code: "BAD_USAGE", message });
  });
});

describe("madeUpRefs", () => {
  it("lets a checkout find the pull request and the tag that an event of the working tree speaks of", async () => {
    createBranches();
    const repository = await describeRepository(root);
    expect(madeUpRefs(await eventOf({ event: "pull_request" }), repository)).toEqual([
      "refs/pull/1/merge",
      "refs/pull/1/head",
    ]);
    expect(madeUpRefs(await eventOf({ event: "release" }), repository)).toEqual(["refs/tags/v1.0.0"]);
    expect(madeUpRefs(await eventOf({ event: "issues" }), repository)).toEqual([]);
  });
});
