/**
 * Deliveries that GitHub sent while nobody took them: GitHub does not send them again by itself, but lists them for three days. At the start
 * and every five minutes those that the store does not know are fetched and accepted, as if they had just come.
 * Source: ACTIONS-CONTRACT §7.1, SECURITY-RELIABILITY 4.1-6 and F20, GitHub REST "Repository webhook deliveries".
 */
import { identityOf } from "./delivery-identity.ts";
import { isRecord, parsePayload, repositoryIn, textIn, valueIn } from "./payload.ts";
import type { Payload } from "./payload.ts";
import type { ServerLog } from "./server-log.ts";
import type { ServerStore } from "./server-store.ts";

/** A webhook of a repository, or that of the App. */
export type DeliverySource =
  | { readonly kind: "repository"; readonly owner: string; readonly name: string; readonly hook: number }
  | { readonly kind: "app" };

/** Asks GitHub's API for a path that begins with a slash. `next`: the path of the next page. Rejects when there is no answer. */
export type GetPage = (
  path: string,
  source: DeliverySource,
) => Promise<{ readonly body: unknown; readonly next: string | undefined }>;

export interface MissedDeliveriesParts {
  readonly store: Pick<ServerStore, "deliveries" | "notes">;
  /** Asked for at each check; rejects when they cannot be told. */
  readonly sources: () => Promise<readonly DeliverySource[]>;
  readonly get: GetPage;
  /** Wall clock, in ms: where a source begins that was never asked. */
  readonly now: () => number;
  readonly onAccepted: () => void;
  readonly log: ServerLog;
  readonly everyMs?: number;
}

export interface MissedDeliveries {
  /** Resolves to how many were fetched. Never rejects; what failed is asked for again the next time. */
  check(): Promise<number>;
  /** Resolves when no check is going on. */
  stop(): Promise<void>;
}

const EVERY_MS = 300_000;
const PER_PAGE = 100;
/** Of one check; the others come with the next. */
const MAX_PAGES = 50;
/** One that was sent before another may be listed after it. */
const OVERLAP_MS = 600_000;

export function startMissedDeliveries(parts: MissedDeliveriesParts): MissedDeliveries {
  const { sources, log, everyMs = EVERY_MS } = parts;
  let going = Promise.resolve(0);
  let isOpen = true;

  async function checkAll(): Promise<number> {
    let fetched = 0;
    const all = await sources().catch((error: unknown) => {
      log.warn("missed deliveries not looked for", { error: error instanceof Error ? error.message : String(error) });
      return [];
    });
    for (const source of all) {
      if (!isOpen) break;
      try {
        fetched += await checkSource(parts, source, () => isOpen);
      } catch (error) {
        const facts = { source: nameOf(source), error: error instanceof Error ? error.message : String(error) };
        log.warn("missed deliveries not fetched", facts);
      }
    }
    return fetched;
  }

  const check = (): Promise<number> => (going = going.then(checkAll));
  const timer = setInterval(() => void check(), everyMs);
  void check();
  return {
    check,
    async stop() {
      isOpen = false;
      clearInterval(timer);
      await going;
    },
  };
}

interface Listed {
  readonly id: string;
  readonly guid: string;
  readonly event: string;
  readonly deliveredAtMs: number;
}

async function checkSource(
  { store, get, now, onAccepted, log }: MissedDeliveriesParts,
  source: DeliverySource,
  isOpen: () => boolean,
): Promise<number> {
  const note = `missed ${nameOf(source)}`;
  const cursor = store.notes.get(note);
  if (cursor === undefined) {
    // What was sent before this server was there is not its to run.
    store.notes.set(note, String(now()));
    return 0;
  }
  const listed = await listSince(get, source, Number(cursor) - OVERLAP_MS);
  let fetched = 0;
  for (const { id, guid, event, deliveredAtMs } of listed.toReversed()) {
    if (!isOpen()) return fetched;
    if (event !== "ping" && store.deliveries.find(guid) === undefined) {
      const payload = payloadIn((await get(`${pathOf(source)}/${id}`, source)).body);
      if (payload === undefined) log.warn("missed delivery has no payload", { guid });
      else {
        const body = JSON.stringify(payload);
        const [repository, identity] = [repositoryIn(payload), identityOf(event, payload)];
        const accepted = store.deliveries.accept({ guid, event, repository, identity, body, source: "missed" });
        if (accepted.kind === "accepted") {
          fetched += 1;
          onAccepted();
        }
      }
    }
    // Oldest first: whatever happens next, none before this one is still to be fetched.
    if (deliveredAtMs > Number(store.notes.get(note))) store.notes.set(note, String(deliveredAtMs));
  }
  if (fetched > 0) log.info("missed deliveries fetched", { source: nameOf(source), count: fetched });
  return fetched;
}

/** Newest first, each GUID once: a redelivery has that of the first. */
async function listSince(get: GetPage, source: DeliverySource, sinceMs: number): Promise<readonly Listed[]> {
  const found = new Map<string, Listed>();
  let path: string | undefined = `${pathOf(source)}?per_page=${PER_PAGE}`;
  for (let page = 0; page < MAX_PAGES && path !== undefined; page++) {
    const { body, next } = await get(path, source);
    const listed = (Array.isArray(body) ? body : []).flatMap((entry: unknown) => listedOf(entry) ?? []);
    for (const one of listed) if (one.deliveredAtMs >= sinceMs && !found.has(one.guid)) found.set(one.guid, one);
    path = listed.some(({ deliveredAtMs }) => deliveredAtMs < sinceMs) ? undefined : next;
  }
  return [...found.values()];
}

function listedOf(entry: unknown): Listed | undefined {
  const id = valueIn(entry, "id");
  const [guid, event, deliveredAt] = ["guid", "event", "delivered_at"].map((name) => textIn(entry, name));
  if (guid === undefined || event === undefined || !/^[\w-]{1,64}$/u.test(guid)) return undefined;
  if (typeof id !== "number" && (typeof id !== "string" || !/^\d+$/u.test(id))) return undefined;
  const deliveredAtMs = Date.parse(deliveredAt ?? "");
  return Number.isNaN(deliveredAtMs) ? undefined : { id: String(id), guid, event, deliveredAtMs };
}

/** Of a form it is text within the form. */
function payloadIn(body: unknown): Payload | undefined {
  const payload = valueIn(body, "request", "payload");
  if (!isRecord(payload)) return undefined;
  const inForm = payload["payload"];
  return parsePayload(typeof inForm === "string" ? inForm : JSON.stringify(payload));
}

function pathOf(source: DeliverySource): string {
  if (source.kind === "app") return "/app/hook/deliveries";
  return `/repos/${source.owner}/${source.name}/hooks/${source.hook}/deliveries`;
}

function nameOf(source: DeliverySource): string {
  return source.kind === "app" ? "app" : `${source.owner}/${source.name} ${source.hook}`;
}
