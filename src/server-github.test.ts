/** What a server with a token asks GitHub for, against a played GitHub that has sent something in vain. */
import { describe, expect, it } from "vitest";
import { startFakeGithub } from "../test/github/fake-github.ts";
import { openGithubSide } from "./server-github.ts";
import { createMemoryServerStore } from "./server/memory-server-store.ts";
import { silentLog } from "./server/run-queue.fixture.ts";
import { testClock } from "./server/server-store.contract.ts";

const TOKEN = "ghp_0123456789";
const PAYLOAD = { ref: "refs/heads/main", after: "a".repeat(40), repository: { full_name: "octo/hello" } };

async function sideOf(apiUrl: string, changes: { readonly publicUrl?: string; readonly local?: string } = {}) {
  const store = createMemoryServerStore(testClock());
  // Looked at before, long ago: what came since is to be fetched.
  for (const hook of [5, 6]) store.notes.set(`missed octo/hello ${hook}`, "1");
  const warnings: string[] = [];
  const side = await openGithubSide({
    config: { githubToken: TOKEN, apiUrl, upstreamProxy: undefined },
    settings: {
      app: undefined,
      publicUrl: changes.publicUrl,
      repositories: ["octo/hello", "octo/*"],
    },
    store,
    log: { ...silentLog, warn: (message) => void warnings.push(message) },
    isLocal: (repository) => repository === changes.local,
  });
  return { store, side, warnings };
}

const hooks = [
  { id: 5, url: "https://ci.example.org/webhook" },
  { id: 6, url: "https://other.example.org/webhook" },
];
const deliveries = [{ id: 1, guid: "missed-1", event: "push", payload: PAYLOAD }];
const publicUrl = "https://ci.example.org";

const NOT_FOUND = () => ({ kind: "status", status: 404 }) as const;

describe("deliveries that GitHub could not deliver", () => {
  it("are fetched from the webhook that leads here, and from no other", async () => {
    await using github = await startFakeGithub({ token: TOKEN, hooks, deliveries });
    const { store, side } = await sideOf(github.apiUrl, { publicUrl });
    const accepted = Promise.withResolvers<void>();
    const [loop] = await side.startMissed(
      () => ["Octo/Hello"],
      () => accepted.resolve(),
    );
    await accepted.promise;
    await loop?.stop();
    expect(store.deliveries.find("missed-1")).toMatchObject({ source: "missed", repository: "octo/hello" });
    expect(github.calls.some(({ url }) => url.includes("/hooks/5/"))).toBe(true);
    expect(github.calls.some(({ url }) => url.includes("/hooks/6/"))).toBe(false);
    // Known once, however it was spelled.
    expect(github.calls.filter(({ url }) => url.includes("/hooks?"))).toHaveLength(1);
    expect(github.refused).toEqual([]);
  });

  it("are not looked for without an address, nor where GitHub knows nothing of the repository", async () => {
    await using github = await startFakeGithub({ token: TOKEN, hooks, deliveries });
    const unnamed = await sideOf(github.apiUrl);
    expect(
      await unnamed.side.startMissed(
        () => [],
        () => undefined,
      ),
    ).toEqual([]);
    const local = await sideOf(github.apiUrl, { publicUrl, local: "octo/hello" });
    const [loop] = await local.side.startMissed(
      () => ["octo/hello"],
      () => undefined,
    );
    await loop?.stop();
    expect(github.calls).toEqual([]);
  });

  it("are said to be out of reach of a token that may not see webhooks", async () => {
    await using github = await startFakeGithub({ token: TOKEN, hooks, deliveries, fault: NOT_FOUND });
    const { side, warnings } = await sideOf(github.apiUrl, { publicUrl });
    const [loop] = await side.startMissed(
      () => [],
      () => undefined,
    );
    await loop?.stop();
    expect(warnings).toEqual(["webhooks not listed: what is missed is not fetched"]);
  });
});
