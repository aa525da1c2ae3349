/** Buttons on GitHub and news of our own words, with GitHub's example payloads and a store as it is. */
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { parsePayload } from "./payload.ts";
import type { Payload } from "./payload.ts";
import { delivery, newRun, testClock } from "./server-store.contract.ts";
import type { NewServerRun, ServerStore } from "./server-store.ts";
import { createTakeOver } from "./take-over.ts";

interface Example {
  readonly name: string;
  readonly examples: readonly ({ readonly action?: string } & Record<string, unknown>)[];
}
const WEBHOOKS: readonly Example[] = createRequire(import.meta.url)(
  "@octokit/webhooks-examples/api.github.com/index.json",
);

const REPOSITORY = "octo/hello";
const SHA = "a".repeat(40);

interface Served {
  readonly store: ServerStore;
  readonly press: (event: string, payload: Payload, receivedAtMs?: number) => string | undefined;
}

function serve(serves = true): Served {
  const store = createMemoryServerStore(testClock());
  const take = createTakeOver({ store, appId: "99", serves: () => serves });
  return {
    store,
    press: (event, payload, receivedAtMs = Number.MAX_SAFE_INTEGER) => take({ event, receivedAtMs }, payload),
  };
}

let guids = 0;

function add(store: ServerStore, changes: Partial<NewServerRun> = {}): number {
  const accepted = store.deliveries.accept(delivery(`take-${(guids += 1)}`, { identity: undefined }));
  const run = newRun({ repository: REPOSITORY, headSha: SHA, ...changes });
  const id = accepted.kind === "accepted" ? accepted.id : 0;
  return store.deliveries.settle(id, { state: "planned", runs: [run] })[0]?.id ?? 0;
}

function end(store: ServerStore, id: number, conclusion: "success" | "failure" = "failure"): void {
  const lease = store.runs.claim(id, "me", 1_000);
  if (lease === undefined) throw new Error("not queued");
  store.runs.complete(lease, conclusion, undefined, []);
}

/** GitHub's example of the event and action, about our App's check run or suite. */
function said(event: string, action: string, changes: object, more: object = {}): Payload {
  const all = WEBHOOKS.find(({ name }) => name === event)?.examples ?? [];
  const example = all.find((one) => one.action === action) ?? all[0];
  const about = event === "check_run" || event === "check_suite" ? Object(example)[event] : {};
  const payload = {
    ...Object(example),
    ...(event.startsWith("check_") && { [event]: { ...about, app: { id: 99 }, ...changes } }),
    repository: { full_name: REPOSITORY },
    ...more,
  };
  const parsed = parsePayload(JSON.stringify(payload));
  if (parsed === undefined) throw new Error("no payload");
  return parsed;
}

const ofRun = (run: number, attempt = 1) => ({ external_id: `hearth:${run}:${attempt}:`, conclusion: "failure" });

describe("a button on GitHub", () => {
  it("runs again what failed, once however often it is heard", () => {
    const { store, press } = serve();
    const id = add(store);
    end(store, id);
    expect(press("check_run", said("check_run", "rerequested", ofRun(id)))).toBe(`run ${id} is queued again`);
    expect(store.runs.find(id)).toMatchObject({ state: "queued", attempt: 2, failedOnly: true });
    end(store, id);
    expect(press("check_run", said("check_run", "rerequested", ofRun(id)))).toContain("again since");
    expect(store.runs.find(id)).toMatchObject({ state: "completed", attempt: 2 });
  });

  it("cancels", () => {
    const { store, press } = serve();
    const id = add(store);
    const cancel = said("check_run", "requested_action", ofRun(id), { requested_action: { identifier: "cancel" } });
    expect(press("check_run", cancel)).toBe(`run ${id} is cancelled`);
    expect(store.runs.find(id)).toMatchObject({ conclusion: "cancelled", reason: "codebytere cancelled it on GitHub" });
    expect(press("check_run", cancel)).toContain("has completed");
  });

  it("reaches no run of another repository, and none where the repository is not served", () => {
    const { store, press } = serve();
    const id = add(store, { repository: "octo/private" });
    end(store, id);
    expect(press("check_run", said("check_run", "rerequested", ofRun(id)))).toContain("not of this repository");
    expect(store.runs.find(id)?.attempt).toBe(1);
    const other = serve(false);
    const own = add(other.store);
    end(other.store, own);
    expect(other.press("check_run", said("check_run", "rerequested", ofRun(own)))).toContain("does not run");
    expect(other.store.runs.find(own)?.attempt).toBe(1);
  });

  it("of a check run of another App does nothing", () => {
    const { store, press } = serve();
    const id = add(store);
    end(store, id);
    const payload = said("check_run", "rerequested", { ...ofRun(id), app: { id: 5 } });
    expect(press("check_run", payload)).toContain("another App");
    expect(store.runs.find(id)?.attempt).toBe(1);
  });

  it("starts nothing that waits for approval", () => {
    const { store, press } = serve();
    const id = add(store, { trust: "outsider", waitsFor: "approval" });
    expect(press("check_run", said("check_run", "rerequested", ofRun(id, 0)))).toContain("hearth approve");
    expect(press("check_suite", said("check_suite", "rerequested", { head_sha: SHA }))).toContain("cannot run again");
    expect(store.runs.find(id)?.state).toBe("waiting");
  });

  it("of a commit runs again the newest of each workflow, once", () => {
    const { store, press } = serve();
    const [old, newest, other] = [add(store), add(store), add(store, { workflow: "b.yml" })];
    add(store, { headSha: "b".repeat(40) });
    for (const id of [old, newest, other]) end(store, id);
    const suite = said("check_suite", "rerequested", { head_sha: SHA });
    const receivedAtMs = store.runs.find(newest)?.queuedAtMs ?? 0;
    press("check_suite", suite, receivedAtMs);
    expect([old, newest, other].map((id) => store.runs.find(id)?.attempt)).toEqual([1, 2, 2]);
  });
});

describe("news of what this server has said", () => {
  it("starts nothing: check runs of its App, its statuses, its comment", () => {
    const { store, press } = serve();
    add(store, { workflow: ".github/workflows/ci.yml", event: "push" });
    store.notes.set("comment:octo/hello#3", JSON.stringify({ mark: "m-1", tried: true, lines: [] }));
    const own = "it tells of what this server has said";
    expect(press("check_run", said("check_run", "completed", ofRun(1)))).toBe(own);
    expect(press("check_suite", said("check_suite", "completed", {}))).toBe(own);
    expect(press("status", said("status", "", {}, { sha: SHA, context: "ci.yml (push)" }))).toBe(own);
    const comment = { issue: { number: 3 }, comment: { body: "<!-- hearth m-1 -->\nHearth" } };
    expect(press("issue_comment", said("issue_comment", "created", {}, comment))).toBe(own);
  });

  it("is not what others say", () => {
    const { store, press } = serve();
    add(store);
    expect(press("check_run", said("check_run", "completed", { app: { id: 5 } }))).toBeUndefined();
    expect(press("status", said("status", "", {}, { sha: SHA, context: "lint" }))).toBeUndefined();
    const comment = { issue: { number: 3 }, comment: { body: "<!-- hearth m-2 -->" } };
    expect(press("issue_comment", said("issue_comment", "created", {}, comment))).toBeUndefined();
    expect(press("push", said("push", "", {}))).toBeUndefined();
  });
});
