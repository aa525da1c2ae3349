import { createServer } from "node:http";
import type { Server } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commit, createRepository, createTestDirectory, git } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { eventOfDelivery } from "./event-of-delivery.ts";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { parsePayload } from "./payload.ts";
import { parseReceived, payloadOfPush, sendReceived } from "./receive-hook.ts";
import type { HookSettings, ReceivedPush } from "./receive-hook.ts";
import { findLocalRepositories } from "./repository-path.ts";
import type { LocalRepository } from "./repository-path.ts";
import { testClock } from "./server-store.contract.ts";
import type { ServerStore } from "./server-store.ts";
import { createWebhookIntake } from "./webhook-intake.ts";

const ZERO = "0".repeat(40);

let directory: TestDirectory;
let work = "";
let bare: LocalRepository;
let server: Server;
let store: ServerStore;
/** So many answers are 503 first. */
let trouble = 0;

beforeEach(async () => {
  directory = createTestDirectory();
  work = join(directory.path, "work");
  createRepository(work, { "a.txt": "1\n", "b.txt": "1\n" });
  git(directory.path, "clone", "-q", "--bare", work, join(directory.path, "repositories", "team", "tool.git"));
  git(join(directory.path, "repositories", "team", "tool.git"), "remote", "remove", "origin");
  const [found] = await findLocalRepositories(join(directory.path, "repositories"));
  if (found === undefined) throw new Error("the repository is there");
  bare = found;
  git(work, "remote", "add", "origin", bare.gitDir);
  store = createMemoryServerStore(testClock());
  trouble = 0;
  const isOpen = () => (trouble -= 1) < 0;
  const intake = createWebhookIntake({ store, secrets: ["s"], isOpen, onAccepted: () => undefined });
  server = createServer((request, response) => void intake(request, response));
  await new Promise<void>((resolve) => server.listen(join(directory.path, "server.sock"), resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  directory[Symbol.dispose]();
});

function settings(changes: Partial<HookSettings> = {}): HookSettings {
  return {
    url: "http://127.0.0.1/webhook",
    socketPath: join(directory.path, "server.sock"),
    secret: "s",
    pusher: "ada",
    nowMs: 1_700_000_000_000,
    retryAfterMs: 1,
    ...changes,
  };
}

function pushed(before: string, after: string, ref = "refs/heads/main"): ReceivedPush {
  git(work, "push", "-q", "--force", "--all", "origin");
  return { before, after, ref };
}

describe("a push to a repository of this host", () => {
  it("is told as GitHub tells it", async () => {
    const before = git(work, "rev-parse", "HEAD");
    const second = commit(work, { "a.txt": "2\n", "new file.txt": "1\n" }, "second\n\nwith more");
    git(work, "rm", "-q", "b.txt");
    const third = commit(work, {}, "third");
    expect(await payloadOfPush(bare, pushed(before, third), settings())).toMatchObject({
      ref: "refs/heads/main",
      before,
      after: third,
      created: false,
      deleted: false,
      forced: false,
      commits: [
        {
          id: second,
          message: "second\n\nwith more",
          author: { name: "Ada", email: "ada@example.com" },
          added: ["new file.txt"],
          modified: ["a.txt"],
          removed: [],
        },
        { id: third, message: "third", added: [], modified: [], removed: ["b.txt"] },
      ],
      head_commit: { id: third, message: "third" },
      repository: { full_name: "team/tool", default_branch: "main", pushed_at: 1_700_000_000 },
      pusher: { name: "ada" },
    });
  });

  it("says whether a branch is new, gone, or was set back, and lists twenty commits", async () => {
    const first = git(work, "rev-parse", "HEAD");
    git(work, "checkout", "-q", "-b", "topic");
    const ids = Array.from({ length: 25 }, (_, index) => commit(work, { "a.txt": `${index}\n` }));
    const last = ids.at(-1) ?? "";
    const created = await payloadOfPush(bare, pushed(ZERO, last, "refs/heads/topic"), settings());
    expect(created).toMatchObject({ created: true, forced: false, head_commit: { id: last } });
    expect(created).toHaveProperty("commits.length", 20);
    expect(created).toHaveProperty("commits.19.id", last);
    const back = { before: last, after: first, ref: "refs/heads/topic" };
    expect(await payloadOfPush(bare, back, settings())).toMatchObject({ forced: true, commits: [] });
    const gone = { before: last, after: ZERO, ref: "refs/heads/topic" };
    expect(await payloadOfPush(bare, gone, settings())).toMatchObject({
      deleted: true,
      head_commit: null,
      commits: [],
    });
  });

  it("becomes a signed delivery, once, though the server was away for a moment", async () => {
    const before = git(work, "rev-parse", "HEAD");
    const after = commit(work, { "a.txt": "2\n" });
    trouble = 2;
    await sendReceived(bare, [pushed(before, after)], settings());
    const delivery = store.deliveries.next();
    expect(store.deliveries.waiting()).toBe(1);
    expect(delivery).toMatchObject({ event: "push", repository: "team/tool", source: "hook" });
    const payload = parsePayload(delivery?.body ?? "") ?? {};
    expect(eventOfDelivery({ event: "push", repository: "" }, payload)).toMatchObject({
      happening: { repository: { owner: "team", name: "tool" }, actor: "ada" },
      starts: [{ event: "push", wanted: { sha: after }, trust: "trusted" }],
    });
  });

  it("says so when it was not taken", async () => {
    const head = git(work, "rev-parse", "HEAD");
    const push = pushed(ZERO, head);
    const sending = sendReceived(bare, [push], settings({ secret: "another" }));
    await expect(sending).rejects.toMatchObject({ code: "GIT_FAILED", message: expect.stringContaining("401") });
    const nobody = settings({ socketPath: join(directory.path, "nobody.sock") });
    await expect(sendReceived(bare, [push], nobody)).rejects.toMatchObject({ code: "GIT_FAILED" });
  });

  it("is read from the lines that git gives, and nothing else", () => {
    const line = `${ZERO} ${"a".repeat(40)} refs/heads/main`;
    expect(parseReceived(`${line}\nnonsense\n${ZERO} x refs/heads/y\n${line} z\n`)).toEqual([
      { before: ZERO, after: "a".repeat(40), ref: "refs/heads/main" },
    ]);
  });
});
