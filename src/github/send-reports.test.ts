/** What can go wrong between the outbox and GitHub: the last state of everything arrives, once. All of it at once: test/e2e/github-reports.test.ts. */
import { describe, expect, it } from "vitest";
import type { Conclusion } from "../store/run-event.ts";
import type { NewReport, ServerStore } from "../server/server-store.ts";
import { startFakeGithub } from "../../test/github/fake-github.ts";
import type { FakeCall, FakeGithub, Fault } from "../../test/github/fake-github.ts";
import { startSending, TOKEN } from "../../test/github/sending.ts";
import type { SendingOptions } from "../../test/github/sending.ts";

const SHA = "a".repeat(40);

async function against(
  fault: (call: FakeCall) => Fault | undefined,
  test: (github: FakeGithub, sending: ReturnType<typeof startSending>) => Promise<void>,
  options: Partial<SendingOptions> = {},
): Promise<void> {
  await using github = await startFakeGithub({ token: TOKEN, fault });
  const sending = startSending({ apiUrl: github.apiUrl, ...options });
  try {
    await test(github, sending);
  } finally {
    await sending.stop();
  }
  expect(github.refused).toEqual([]);
}

function check(state: "queued" | "in_progress" | Conclusion, annotations = 0, key = "check:1:1:"): NewReport {
  const isOver = state !== "queued" && state !== "in_progress";
  const fields = {
    name: "ci.yml (push)",
    head_sha: SHA,
    external_id: `hearth:${key.slice(6)}`,
    status: isOver ? "completed" : state,
    ...(isOver && { conclusion: state }),
    output: { title: state, summary: "s" },
    actions: [],
  };
  const all = Array.from({ length: annotations }, (_, index) => ({
    path: "a",
    start_line: index + 1,
    end_line: index + 1,
    annotation_level: "notice",
    message: "m",
  }));
  return { key, kind: "check_run", repository: "octo/repo", body: JSON.stringify({ fields, annotations: all }) };
}

function comment(label: string, run: number, line: string): NewReport {
  const key = `comment:octo/repo#5:${label}`;
  return { key, kind: "comment", repository: "octo/repo", body: JSON.stringify({ pullRequest: 5, label, run, line }) };
}

const none = () => undefined;
/** The nth request, from 1. */
const nth =
  (number: number, fault: Fault) =>
  (call: FakeCall): Fault | undefined =>
    call.number === number ? fault : undefined;

describe("a check run", () => {
  it("is made once and then changed", async () => {
    await against(none, async (github, sending) => {
      for (const state of ["queued", "in_progress", "success"] as const) {
        sending.put(check(state));
        await sending.settled();
      }
      expect(github.checkRuns).toMatchObject([{ history: ["queued", "in_progress", "success"] }]);
      expect(github.calls).toHaveLength(3);
    });
  });

  it.each<[string, Fault]>([
    ["the answer was lost", { kind: "cut", done: true }],
    ["it was not carried out", { kind: "cut", done: false }],
    ["nobody answered", { kind: "hang", done: true }],
    ["GitHub failed", { kind: "status", status: 502 }],
  ])("is there once when %s", async (_name, fault) => {
    await against(
      nth(1, fault),
      async (github, sending) => {
        sending.put(check("success", 3));
        await sending.settled();
        expect(github.checkRuns).toMatchObject([{ conclusion: "success", annotations: [{}, {}, {}] }]);
        expect(github.checkRuns[0]?.annotations).toHaveLength(3);
      },
      { deadlineMs: 1_500 },
    );
  });

  it("has every annotation once, whichever request is cut", async () => {
    for (let number = 1; number <= 4; number += 1) {
      for (const done of [true, false]) {
        await against(nth(number, { kind: "cut", done }), async (github, sending) => {
          sending.put(check("in_progress"));
          await sending.settled();
          sending.put(check("failure", 120));
          await sending.settled();
          const [run] = github.checkRuns;
          expect(run?.conclusion).toBe("failure");
          expect(run?.annotations.map(({ start_line }) => start_line)).toEqual(
            Array.from({ length: 120 }, (_, i) => i + 1),
          );
        });
      }
    }
  });

  it("is found again after the process was killed between making and noting it", async () => {
    await against(
      ({ number }) => (number === 1 ? { kind: "hang", done: true } : undefined),
      async (github, sending) => {
        sending.put(check("queued"));
        while (github.checkRuns.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        await sending.restart();
        sending.put(check("success"));
        await sending.settled();
        expect(github.checkRuns).toMatchObject([{ conclusion: "success" }]);
      },
    );
  });

  it("is found behind many of the same name", async () => {
    let lost = 0;
    await against(
      ({ route }) => (route.startsWith("POST ") && lost++ === 130 ? { kind: "cut", done: true } : undefined),
      async (github, sending) => {
        for (let index = 1; index <= 131; index += 1) sending.put(check("success", 0, `check:${index}:1:`));
        await sending.settled();
        expect(new Set(github.checkRuns.map(({ external_id }) => external_id)).size).toBe(131);
        expect(github.checkRuns).toHaveLength(131);
      },
    );
  });
});

describe("a comment", () => {
  it("is one, with a line for each workflow, the newest run of each", async () => {
    await against(none, async (github, sending) => {
      sending.put(comment("b.yml", 2, "b queued"), comment("a.yml", 1, "a queued"));
      await sending.settled();
      sending.put(comment("a.yml", 3, "a again"));
      await sending.settled();
      sending.put(comment("a.yml", 1, "a late"), comment("b.yml", 2, "b done"));
      await sending.settled();
      expect(github.comments.map(({ body }) => body)).toEqual([
        "<!-- hearth mark-1 -->\nHearth\n\n- a again\n- b done",
      ]);
    });
  });

  it.each<Fault>([
    { kind: "cut", done: true },
    { kind: "cut", done: false },
    { kind: "status", status: 500 },
  ])("is made once although %o", async (fault) => {
    await against(nth(1, fault), async (github, sending) => {
      sending.put(comment("a.yml", 1, "a"), comment("b.yml", 2, "b"));
      await sending.settled();
      expect(github.comments).toHaveLength(1);
      expect(github.comments[0]?.body).toContain("- a\n- b");
    });
  });

  it("is made anew when somebody has removed it, and a copy of its mark is left alone", async () => {
    await against(none, async (github, sending) => {
      sending.put(comment("a.yml", 1, "a"));
      await sending.settled();
      const [ours] = github.comments.splice(0, 1);
      github.comments.push({ id: 900, issue: "octo/repo#5", body: `copied ${ours?.body}` });
      sending.put(comment("a.yml", 2, "later"));
      await sending.settled();
      expect(github.comments.map(({ body }) => body)).toEqual([
        `copied ${ours?.body}`,
        "<!-- hearth mark-2 -->\nHearth\n\n- later",
      ]);
    });
  });
});

describe("what GitHub does not take", () => {
  it("is given up with the reason when it never will be, and the rest goes on", async () => {
    await against(
      ({ body }) =>
        body["name"] === "ci.yml (push)" ? { kind: "status", status: 422, message: "no such commit" } : undefined,
      async (github, sending) => {
        sending.put(check("success"), comment("a.yml", 1, "a"));
        await sending.settled();
        expect(sending.abandoned).toEqual(["check:1:1:: 422: no such commit"]);
        expect(github.comments).toHaveLength(1);
        expect(github.calls).toHaveLength(2);
      },
    );
  });

  it("for want of rights is tried for an hour and more", async () => {
    await against(
      () => ({ kind: "status", status: 403, message: "Resource not accessible by integration" }),
      async (_github, sending) => {
        const began = sending.now();
        sending.put(check("success"));
        await sending.settled();
        expect(sending.abandoned).toEqual(["check:1:1:: 403: Resource not accessible by integration"]);
        expect(sending.now() - began).toBeGreaterThan(40 * 60_000);
      },
    );
  });

  it("because of a limit waits as long as GitHub says, and nothing else is asked meanwhile", async () => {
    const limited: Fault = { kind: "status", status: 403, headers: { "retry-after": "3000" }, message: "slow down" };
    await against(nth(1, limited), async (github, sending) => {
      const began = sending.now();
      sending.put(check("success"));
      while (github.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      await new Promise((resolve) => setTimeout(resolve, 50));
      sending.put(comment("a.yml", 1, "a"));
      await sending.settled();
      expect(sending.now() - began).toBeGreaterThanOrEqual(3000_000);
      expect(github.checkRuns).toMatchObject([{ conclusion: "success" }]);
    });
  });

  it("because it cannot be read is given up, and a database that is full is not GitHub's fault", async () => {
    let isFull = 3;
    const seen = (store: ServerStore): ServerStore => ({
      ...store,
      outbox: {
        ...store.outbox,
        sent(id) {
          if ((isFull -= 1) >= 0) throw new Error("database or disk is full");
          store.outbox.sent(id);
        },
      },
    });
    await against(
      none,
      async (github, sending) => {
        sending.put({ ...check("success"), body: '{"fields":1}' });
        await sending.settled();
        expect(sending.abandoned).toHaveLength(1);
        sending.put(check("failure", 0, "check:2:1:"));
        await sending.settled();
        expect(sending.faults).toHaveLength(3);
        expect(github.checkRuns).toMatchObject([{ conclusion: "failure" }]);
        expect(sending.abandoned).toHaveLength(1);
      },
      { seen },
    );
  });
});
