import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { startMissedDeliveries } from "./missed-deliveries.ts";
import type { DeliverySource, MissedDeliveries } from "./missed-deliveries.ts";
import { delivery, testClock } from "./server-store.contract.ts";
import type { TestClock } from "./server-store.contract.ts";
import type { ServerStore } from "./server-store.ts";

const HOOK: DeliverySource = { kind: "repository", owner: "o", name: "r", hook: 5 };

interface Sent {
  readonly id: number;
  readonly guid: string;
  readonly event: string;
  readonly atMs: number;
  readonly payload: unknown;
}

let store: ServerStore;
let clock: TestClock;
let sent: Sent[];
let asked: string[];
/** So many answers fail first. */
let trouble = 0;
let missed: MissedDeliveries | undefined;

beforeEach(() => {
  clock = testClock();
  store = createMemoryServerStore(clock);
  [sent, asked, trouble] = [[], [], 0];
});

afterEach(async () => {
  await missed?.stop();
});

/** GitHub's lists: newest first, three to a page. */
async function get(path: string): Promise<{ body: unknown; next: string | undefined }> {
  asked.push(path);
  if ((trouble -= 1) >= 0) throw new Error("502");
  const url = new URL(path, "https://api.github.com");
  const id = /\/deliveries\/(?<id>\d+)$/u.exec(url.pathname)?.groups?.["id"];
  if (id !== undefined) {
    const found = sent.find((one) => one.id === Number(id));
    return { body: { id: Number(id), request: { headers: {}, payload: found?.payload } }, next: undefined };
  }
  const from = Number(url.searchParams.get("cursor") ?? 0);
  const page = sent.toReversed().slice(from, from + 3);
  const next = from + 3 < sent.length ? `${url.pathname}?cursor=${from + 3}` : undefined;
  const body = page.map(({ id, guid, event, atMs }) => ({
    id,
    guid,
    event,
    delivered_at: new Date(atMs).toISOString(),
    status_code: 0,
  }));
  return { body, next };
}

function send(guid: string, changes: Partial<Sent> = {}): void {
  clock.ms += 60_000;
  const id = sent.length + 1;
  const payload = { ref: "refs/heads/main", after: guid, repository: { full_name: "o/r" } };
  sent.push({ id, guid, event: "push", atMs: clock.ms, payload, ...changes });
}

function start(sources: readonly DeliverySource[] = [HOOK]): MissedDeliveries {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  missed = startMissedDeliveries({
    store,
    sources: async () => sources,
    get,
    log,
    now: clock.now,
    onAccepted: () => undefined,
    everyMs: 1_000_000,
  });
  return missed;
}

function known(): readonly string[] {
  return store.deliveries
    .list(1_000)
    .map(({ guid }) => guid)
    .toReversed();
}

describe("missed deliveries", () => {
  it("are fetched when the server is back, all of them and none twice, the oldest first", async () => {
    await start().check();
    await missed?.stop();
    for (let n = 1; n <= 10; n++) send(`down-${n}`);
    store.deliveries.accept(delivery("down-4"));
    send("down-2");
    const back = start();
    expect(await back.check()).toBe(0);
    expect(known()).toEqual(["down-4", ...[1, 3, 5, 6, 7, 8, 9, 10, 2].map((n) => `down-${n}`)]);
    expect(store.deliveries.find("down-1")).toMatchObject({
      source: "missed",
      repository: "o/r",
      body: JSON.stringify(sent[0]?.payload),
    });
  });

  it("of a time before this server was there are not its own", async () => {
    send("before");
    clock.ms += 3_600_000;
    await start().check();
    expect(known()).toEqual([]);
  });

  it("are asked for again after trouble, from where it was", async () => {
    await start().check();
    for (let n = 1; n <= 5; n++) send(`down-${n}`);
    trouble = 1;
    await missed?.check();
    expect(known()).toEqual([]);
    await missed?.check();
    expect(known()).toHaveLength(5);
  });

  it("that broke off half way go on", async () => {
    await start().check();
    for (let n = 1; n <= 5; n++) send(`down-${n}`);
    const { get: getAll } = { get };
    await missed?.stop();
    let bodies = 0;
    missed = startMissedDeliveries({
      store,
      sources: async () => [HOOK],
      get: (path) => (/\/\d+$/u.test(path) && (bodies += 1) === 3 ? Promise.reject(new Error("502")) : getAll(path)),
      now: clock.now,
      onAccepted: () => undefined,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      everyMs: 1_000_000,
    });
    await missed.check();
    await missed.check();
    expect(known()).toEqual(["down-1", "down-2", "down-3", "down-4", "down-5"]);
  });

  it("are not listed for ever back", async () => {
    for (let n = 1; n <= 30; n++) send(`old-${n}`);
    clock.ms += 3_600_000;
    await start().check();
    clock.ms += 3_600_000;
    send("new");
    asked = [];
    await missed?.check();
    expect(known()).toEqual(["new"]);
    expect(asked.filter((path) => !path.endsWith("/31"))).toHaveLength(1);
  });

  it("may be forms, of an App, and no pings", async () => {
    await start([{ kind: "app" }]).check();
    send("form", { payload: { payload: JSON.stringify({ ref: "x", repository: { full_name: "a/b" } }) } });
    send("ping", { event: "ping" });
    send("nothing", { payload: null });
    send("after");
    await missed?.check();
    expect(known()).toEqual(["form", "after"]);
    expect(store.deliveries.find("form")?.repository).toBe("a/b");
    expect(asked.every((path) => path.startsWith("/app/hook/deliveries"))).toBe(true);
  });
});
