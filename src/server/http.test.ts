import { createServer, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunEvent } from "../store/run-event.ts";
import { openApiTokens } from "./api-tokens.ts";
import { ownHosts } from "./access.ts";
import { createListeners } from "./http.ts";
import { watchHealth } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import { EngineError } from "../lib/engine-error.ts";
import { createRunFeed } from "./run-feed.ts";
import { silentLog, storeFixture } from "./run-queue.fixture.ts";
import type { StoreFixture } from "./run-queue.fixture.ts";
import { watchStore } from "./watched-store.ts";

const at = "2026-11-22T10:00:00.000Z";
const log = (line: string): RunEvent => ({ at, type: "log", job: "build", step: "1", line });
const completed: RunEvent = {
  at,
  type: "run_completed",
  conclusion: "success",
  error: undefined,
  counts: { declared: 1, ran: 1, skipped: 0, notReached: 0, cancelled: 0 },
  durationMs: 1,
};

interface Served extends AsyncDisposable {
  readonly port: number;
  readonly fixture: StoreFixture;
  readonly store: ReturnType<typeof watchStore>["store"];
  readonly feed: ReturnType<typeof createRunFeed>;
  readonly records: Map<string, RunEvent[]>;
  readonly tokens: { readonly read: string; readonly run: string; readonly admin: string };
  readonly state: { draining: boolean; freeBytes: number; webhooks: number };
  readonly look: () => Promise<void>;
}

async function serve(): Promise<Served> {
  const fixture = storeFixture();
  const { store, changes } = watchStore(fixture.store);
  const records = new Map<string, RunEvent[]>();
  const stored = {
    async *read(run: string) {
      if (run === "gone") throw new EngineError("RUN_NOT_FOUND", "Run gone is not kept any more");
      yield* records.get(run) ?? [];
    },
  };
  const feed = createRunFeed(stored);
  const tokens = openApiTokens(fixture.directory);
  const made = {
    read: tokens.add("reader", "read", new Date()),
    run: tokens.add("runner", "run", new Date()),
    admin: tokens.add("boss", "admin", new Date()),
  };
  const state = { draining: false, freeBytes: 1e12, webhooks: 0 };
  const health = watchHealth({
    store,
    stateDir: fixture.directory,
    others: () => [],
    freeBytes: async () => state.freeBytes,
  });
  let id = 0;
  const listeners = createListeners({
    version: "1.2.3",
    store,
    changes,
    feed,
    stored,
    tokens,
    health,
    log: silentLog,
    artifacts: {
      list: async () => [
        {
          id: 7,
          name: 'out"<b>\u00fc.html',
          attempt: 1,
          sizeBytes: 5,
          sha256: "0",
          mimeType: "text/html",
          createdAt: at,
          expiresAt: at,
        },
      ],
      open: async () => ({ sizeBytes: 5, bytes: new Blob(["<b>hi"]).stream() }),
    },
    newId: () => `own-${(id += 1)}`,
    metrics: await createMetrics({ store, changes, running: () => 3 }),
    webhook: (_request, response) => {
      state.webhooks += 1;
      response.writeHead(202).end();
    },
    localWebhook: () => undefined,
    onDispatched: () => undefined,
    draining: () => state.draining,
  });
  let port = 0;
  const server = createServer(listeners.remote(() => ownHosts("127.0.0.1", port, "https://ci.example.org")));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    fixture,
    store,
    feed,
    records,
    state,
    tokens: made,
    look: () => health.look(),
    async [Symbol.asyncDispose]() {
      health.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      fixture[Symbol.dispose]();
    },
  };
}

let served: Served;
beforeEach(async () => {
  served = await serve();
});
afterEach(() => served[Symbol.asyncDispose]());

interface Asked {
  readonly method?: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

function open(path: string, { method = "GET", token, headers = {}, body }: Asked = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port: served.port,
        path,
        method,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
      },
      resolve,
    );
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
  });
}

async function ask(path: string, asked: Asked = {}) {
  const response = await open(path, asked);
  const body = await text(response);
  const isJson = response.headers["content-type"]?.startsWith("application/json") === true;
  return { status: response.statusCode, headers: response.headers, body, json: isJson ? JSON.parse(body) : undefined };
}

describe("who is let in", () => {
  it.each(["evil.test", "127.0.0.1", "localhost:1", "ci.example.org.evil.test", "ci.example.org:8080"])(
    "refuses what was sent to %s",
    async (host) => {
      for (const path of ["/healthz", "/api/v1/runs", "/nothing"]) {
        expect(await ask(path, { headers: { host }, token: served.tokens.admin })).toMatchObject({ status: 421 });
      }
      expect(await ask("/webhook", { method: "POST", headers: { host } })).toMatchObject({ status: 421 });
      expect(served.state.webhooks).toBe(0);
    },
  );

  it("answers by all of its names", async () => {
    for (const host of [`127.0.0.1:${served.port}`, `localhost:${served.port}`, "ci.example.org", "CI.example.org"]) {
      expect(await ask("/healthz", { headers: { host } })).toMatchObject({ status: 200, json: { status: "ok" } });
    }
  });

  it("refuses the pages of others, and allows nobody by CORS", async () => {
    const token = served.tokens.admin;
    for (const origin of ["https://evil.test", "null", "file://", `http://127.0.0.1:${served.port + 1}`]) {
      const refused = await ask("/api/v1/runs", { token, headers: { origin } });
      expect(refused).toMatchObject({ status: 403, json: { error: "other_origin" } });
      expect(refused.headers["access-control-allow-origin"]).toBeUndefined();
    }
    const own = await ask("/api/v1/runs", { token, headers: { origin: `http://127.0.0.1:${served.port}` } });
    expect(own.status).toBe(200);
    expect(own.headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("needs a token whose role suffices", async () => {
    const { read, run, admin } = served.tokens;
    const { id } = served.fixture.add({ waitsFor: "approval" });
    const approve = { method: "POST", body: { sha: "a".repeat(40) } };
    expect((await ask("/api/v1/runs")).status).toBe(401);
    expect((await ask("/metrics")).status).toBe(401);
    expect((await ask("/api/v1/openapi.json")).status).toBe(401);
    expect((await ask("/api/v1/runs", { token: `${read}x` })).status).toBe(401);
    expect((await ask("/api/v1/runs", { headers: { authorization: `Basic ${read}` } })).status).toBe(401);
    expect((await ask("/api/v1/runs", { token: read })).status).toBe(200);
    expect((await ask(`/api/v1/runs/${id}/cancel`, { method: "POST", token: read })).status).toBe(403);
    expect((await ask(`/api/v1/runs/${id}/approve`, { ...approve, token: run })).status).toBe(403);
    expect(served.store.runs.find(id)?.state).toBe("waiting");
    expect((await ask(`/api/v1/runs/${id}/approve`, { ...approve, token: admin })).status).toBe(200);
    expect(served.store.runs.find(id)?.state).toBe("queued");
  });

  it("takes JSON alone, and so much of it", async () => {
    const token = served.tokens.run;
    const { id } = served.fixture.add();
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const to = `/api/v1/runs/${id}/rerun`;
    expect((await ask(to, { method: "POST", token, body: "failed=true", headers: form })).status).toBe(415);
    expect((await ask(to, { method: "POST", token, body: "{" })).status).toBe(400);
    expect((await ask(to, { method: "POST", token, body: { failed: 1 } })).status).toBe(400);
    expect((await ask(to, { method: "POST", token, body: { other: true } })).status).toBe(400);
    expect((await ask(to, { method: "POST", token, body: `"${"x".repeat(300_000)}"` })).status).toBe(413);
  });
});

describe("runs over HTTP", () => {
  it("lists them, one, and says that there is none", async () => {
    const token = served.tokens.read;
    const first = served.fixture.add({ repository: "octo-org/one" });
    const second = served.fixture.add({ repository: "octo-org/two" });
    expect((await ask("/api/v1/runs", { token })).json.runs.map(({ id }: { id: number }) => id)).toEqual([
      second.id,
      first.id,
    ]);
    expect((await ask("/api/v1/runs?repository=octo-org/one", { token })).json.runs).toHaveLength(1);
    expect((await ask("/api/v1/runs?state=running", { token })).json.runs).toEqual([]);
    expect((await ask(`/api/v1/runs/${first.id}`, { token })).json).toMatchObject({ id: first.id, state: "queued" });
    expect((await ask("/api/v1/runs/99", { token })).status).toBe(404);
    for (const bad of ["?limit=0", "?limit=501", "?repository=../x", "?state=odd"]) {
      expect((await ask(`/api/v1/runs${bad}`, { token })).status).toBe(400);
    }
    expect((await ask("/api/v1/runs/..%2f..%2fetc", { token })).status).toBe(400);
  });

  it("approves the commit that was looked at and no other", async () => {
    const token = served.tokens.admin;
    const { id } = served.fixture.add({ waitsFor: "approval", headSha: "b".repeat(40) });
    const approve = (sha: string) => ask(`/api/v1/runs/${id}/approve`, { method: "POST", token, body: { sha } });
    expect(await approve("c".repeat(40))).toMatchObject({ status: 409, json: { error: "other_commit" } });
    expect((await approve("b".repeat(7))).status).toBe(400);
    expect((await approve("b".repeat(40))).status).toBe(200);
    expect((await approve("b".repeat(40))).status).toBe(409);
  });

  it("cancels, and runs again what has completed", async () => {
    const token = served.tokens.run;
    const { id } = served.fixture.add();
    const post = (action: string, body?: unknown) =>
      ask(`/api/v1/runs/${id}/${action}`, { method: "POST", token, body });
    expect((await post("rerun", {})).status).toBe(409);
    expect((await post("cancel")).json).toMatchObject({ state: "completed", conclusion: "cancelled" });
    expect((await post("cancel")).status).toBe(409);
    expect((await post("rerun", { failed: true })).json).toMatchObject({ state: "queued", attempt: 2 });
  });

  it("keeps a dispatch before it answers", async () => {
    const body = { repository: "octo-org/hello", workflow: "ci.yml", ref: "main", inputs: { level: "debug" } };
    const { status, json } = await ask("/api/v1/dispatches", { method: "POST", token: served.tokens.run, body });
    expect(status).toBe(202);
    const delivery = served.store.deliveries.get(json.delivery);
    expect(delivery).toMatchObject({ event: "workflow_dispatch", repository: "octo-org/hello", source: "api" });
    expect(JSON.parse(delivery?.body ?? "")).toMatchObject({
      ref: "main",
      workflow: "ci.yml",
      inputs: { level: "debug" },
      sender: { login: "runner" },
      repository: { full_name: "octo-org/hello" },
    });
  });

  it("bounds what a dispatch holds", async () => {
    const token = served.tokens.run;
    const send = (more: object) =>
      ask("/api/v1/dispatches", {
        method: "POST",
        token,
        body: { repository: "octo-org/hello", workflow: "ci.yml", ...more },
      });
    const many = Object.fromEntries(Array.from({ length: 26 }, (_, index) => [`i${index}`, "x"]));
    for (const more of [{ inputs: many }, { inputs: { a: 1 } }, { repository: "x" }, { ref: "" }, { odd: 1 }]) {
      expect((await send(more)).status).toBe(400);
    }
    expect(served.store.deliveries.list(10)).toEqual([]);
  });

  it("hands artifacts out as attachments that no browser shows", async () => {
    const { id } = served.fixture.add();
    const lease = served.store.runs.claim(id, "me", 30_000);
    if (lease !== undefined) served.store.runs.started(lease, "run1");
    const { headers, body, status } = await ask(`/api/v1/runs/${id}/artifacts/7`, { token: served.tokens.read });
    expect({ status, body }).toEqual({ status: 200, body: "<b>hi" });
    expect(headers["content-type"]).toBe("application/octet-stream");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["content-disposition"]).toBe(
      `attachment; filename="artifact-7"; filename*=UTF-8''out%22%3Cb%3E%C3%BC.html`,
    );
    expect((await ask(`/api/v1/runs/${id}/artifacts/8`, { token: served.tokens.read })).status).toBe(404);
  });
});

function begin() {
  const { id } = served.fixture.add();
  const lease = served.store.runs.claim(id, "me", 30_000);
  if (lease === undefined) throw new Error("not claimed");
  served.store.runs.started(lease, "run1");
  const record: RunEvent[] = [];
  served.records.set("run1", record);
  const say = (event: RunEvent, written = true): void => {
    if (written) record.push(event);
    served.feed.push("run1", event);
  };
  return { id, lease, say, record };
}

const line = (place: number, data: string): string => `event: log\ndata: ${data}\nid: 1-${place}\n\n`;

describe("a run that is followed", () => {
  it("is told line by line and to its end, and again only what was not seen", async () => {
    const { id, lease, say, record } = begin();
    const token = served.tokens.read;
    const headers = { accept: "text/event-stream" };
    say(log("first"));
    const all = open(`/api/v1/runs/${id}/logs`, { token, headers }).then(text);
    const later = open(`/api/v1/runs/${id}/logs`, { token, headers: { ...headers, "last-event-id": "1-1" } }).then(
      text,
    );
    // In memory alone: the writer has not written it yet.
    say(log("second"), false);
    record.push(log("second"));
    say(completed);
    served.store.runs.complete(lease, "success", undefined, []);
    expect(await all).toMatch(`${line(1, "first")}${line(2, "second")}event: end\n`);
    const seen = await later;
    expect(seen).toMatch(`${line(2, "second")}event: end\n`);
    expect(seen).not.toContain("first");
  });

  it("is told from queued to its end", async () => {
    const { id } = served.fixture.add();
    const response = await open(`/api/v1/runs/${id}/events`, { token: served.tokens.read });
    const whole = text(response);
    const lease = served.store.runs.claim(id, "me", 30_000);
    if (lease === undefined) throw new Error("not claimed");
    served.records.set("run2", [log("only"), completed]);
    served.store.runs.started(lease, "run2");
    served.store.runs.complete(lease, "success", undefined, []);
    const kinds = [...(await whole).matchAll(/^event: (\w+)$/gmu)].map(([, kind]) => kind);
    expect(kinds[0]).toBe("run");
    expect(kinds.filter((kind) => kind !== "run")).toEqual(["log", "run_completed", "end"]);
  });

  it.each(["jobs", "logs", "events"])("whose record is not kept any more has no %s, and that is said", async (what) => {
    const { id } = served.fixture.add();
    const lease = served.store.runs.claim(id, "me", 30_000);
    if (lease === undefined) throw new Error("not claimed");
    served.store.runs.started(lease, "gone");
    served.store.runs.complete(lease, "success", undefined, []);
    expect(await ask(`/api/v1/runs/${id}/${what}`, { token: served.tokens.read })).toMatchObject({
      status: 404,
      json: { error: "not_found", message: "Run gone is not kept any more" },
    });
  });

  it("is text for who does not ask for a stream", async () => {
    const { id, say } = begin();
    say(log("first"));
    say(log("second"));
    expect((await ask(`/api/v1/runs/${id}/logs`, { token: served.tokens.read })).body).toBe(
      "build | 1\n  first\n  second\n",
    );
  });
});

describe("how the server is", () => {
  it("says that it is degraded, and why, until it is not", async () => {
    await served.look();
    expect(await ask("/readyz")).toMatchObject({ status: 200, json: { status: "ready", reasons: [] } });
    served.state.freeBytes = 1024;
    await served.look();
    expect(await ask("/readyz")).toMatchObject({ status: 503, json: { reasons: [{ reason: "disk_low" }] } });
    expect((await ask("/healthz")).status).toBe(200);
    served.state.freeBytes = 1e12;
    await served.look();
    expect((await ask("/readyz")).status).toBe(200);
  });

  it("refuses webhooks with a time to come again while it stops", async () => {
    expect((await ask("/webhook", { method: "POST" })).status).toBe(202);
    served.state.draining = true;
    const refused = await ask("/webhook", { method: "POST" });
    expect(refused.status).toBe(503);
    expect(refused.headers["retry-after"]).toBe("30");
  });

  it("counts runs for Prometheus", async () => {
    served.fixture.add();
    const { body } = await ask("/metrics", { token: served.tokens.read });
    expect(body).toContain('hearth_runs{state="queued"} 1');
    expect(body).toContain("hearth_workers 3");
  });

  it("describes its routes", async () => {
    const { json } = await ask("/api/v1/openapi.json", { token: served.tokens.read });
    expect(Object.keys(json.paths)).toEqual(
      expect.arrayContaining(["/api/v1/runs", "/api/v1/runs/{id}/approve", "/api/v1/dispatches"]),
    );
  });
});
