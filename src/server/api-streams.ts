/**
 * `…/logs`, `…/events`: what a run prints and what happens, as text or, while it grows, as server-sent events. An event's id is
 * the attempt and its place in the record, so a client that comes again with `Last-Event-ID` misses nothing and sees nothing twice.
 */
import { createRoute, z } from "@hono/zod-openapi";
import { stream, streamSSE } from "hono/streaming";
import type { SSEStreamingApi } from "hono/streaming";
import type { RunEvent } from "../store/run-event.ts";
import { ApiProblem, findRun } from "./api-parts.ts";
import type { Api, ApiParts } from "./api-parts.ts";
import { problems, RunId } from "./api-routes.ts";
import { runDocument } from "./api-shapes.ts";
import type { ServerRun } from "./server-store.ts";

const KEEP_ALIVE_MS = 15_000;
const MAX_STREAMS = 500;

const sse = { description: "As they come", content: { "text/event-stream": { schema: z.string() } } };
const fromEvent = z.object({
  "last-event-id": z.string().max(40).optional().openapi({ description: "The last one that was seen." }),
});

const logs = createRoute({
  method: "get",
  path: "/api/v1/runs/{id}/logs",
  summary: "What the current attempt has printed",
  description: "Text; with `accept: text/event-stream` one event `log` for each line, until the run ends.",
  request: {
    params: RunId,
    headers: fromEvent,
    query: z.object({ job: z.string().max(500).optional(), step: z.string().max(100).optional() }),
  },
  responses: {
    200: { description: "Lines", content: { "text/plain": { schema: z.string() }, ...sse.content } },
    ...problems,
  },
});

const events = createRoute({
  method: "get",
  path: "/api/v1/runs/{id}/events",
  summary: "Everything that happens in a run, attempt after attempt until one ends",
  description: "`run`: the run as it is now. Others are those of `hearth run --json`, by their type.",
  request: { params: RunId, headers: fromEvent },
  responses: { 200: sse, ...problems },
});

const allEvents = createRoute({
  method: "get",
  path: "/api/v1/events",
  summary: "Every change of a run's state, from now on",
  responses: { 200: sse, ...problems },
});

export function addStreamRoutes(api: Api, parts: ApiParts): void {
  let streams = 0;
  const counted = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } finally {
      streams -= 1;
    }
  };
  const takePlace = (): void => {
    if (streams >= MAX_STREAMS) throw new ApiProblem(503, "too_many", `${MAX_STREAMS} streams are open`);
    streams += 1;
  };

  api.openapi(logs, async (c) => {
    const run = findRun(parts, c.req.valid("param").id);
    await requireKept(parts, run);
    const wanted = c.req.valid("query");
    const isWanted = (event: RunEvent): event is Extract<RunEvent, { type: "log" }> =>
      event.type === "log" && (wanted.job ?? event.job) === event.job && (wanted.step ?? event.step) === event.step;
    takePlace();
    if (c.req.header("accept")?.includes("text/event-stream") === true) {
      const last = c.req.valid("header")["last-event-id"];
      return streamSSE(c, (out) => counted(() => follow(parts, run, out, { last, isWanted, lines: true })));
    }
    c.header("content-type", "text/plain; charset=utf-8");
    return stream(c, (out) =>
      counted(async () => {
        if (run.run === undefined) return;
        let at = "";
        for await (const event of parts.stored.read(run.run)) {
          if (out.aborted) return;
          if (!isWanted(event)) continue;
          const place = `${event.job} | ${event.step}`;
          await out.write(`${place === at ? "" : `${place}\n`}  ${event.line}\n`);
          at = place;
        }
      }),
    );
  });
  api.openapi(events, async (c) => {
    const run = findRun(parts, c.req.valid("param").id);
    await requireKept(parts, run);
    takePlace();
    const last = c.req.valid("header")["last-event-id"];
    return streamSSE(c, (out) => counted(() => follow(parts, run, out, { last, isWanted: () => true, lines: false })));
  });
  api.openapi(allEvents, (c) => {
    takePlace();
    return streamSSE(c, (out) => counted(() => followAll(parts, out)));
  });
}

/** Said before anything else is: RUN_NOT_FOUND where what it said is not kept any more. */
async function requireKept({ stored }: ApiParts, { run }: ServerRun): Promise<void> {
  if (run === undefined) return;
  const events = stored.read(run)[Symbol.asyncIterator]();
  await events.next();
  await events.return?.();
}

interface Following {
  readonly last: string | undefined;
  readonly isWanted: (event: RunEvent) => boolean;
  /** The text alone, for who only wants to read. */
  readonly lines: boolean;
}

async function follow(parts: ApiParts, run: ServerRun, out: SSEStreamingApi, following: Following): Promise<void> {
  const abort = new AbortController();
  out.onAbort(() => abort.abort());
  using alive = keepAlive(out);
  using changed = notices(parts, ({ id }) => id === run.id);
  const [lastAttempt = 0, lastPlace = 0] = placeOf(following.last);
  let followed = lastAttempt - 1;
  let told = "";
  while (!abort.signal.aborted) {
    changed.take();
    const now = parts.store.runs.find(run.id);
    if (now === undefined) return;
    const state = JSON.stringify(runDocument(now));
    if (state !== told && !following.lines) await out.writeSSE({ event: "run", data: state });
    told = state;
    if (now.run !== undefined && now.attempt > followed) {
      followed = now.attempt;
      const after = now.attempt === lastAttempt ? lastPlace : 0;
      for await (const { place, event } of parts.feed.follow(now.run, after, abort.signal)) {
        if (!following.isWanted(event)) continue;
        const data = following.lines && event.type === "log" ? event.line : JSON.stringify(event);
        await out.writeSSE({ id: `${now.attempt}-${place}`, event: event.type, data });
      }
    } else if (now.state === "completed") {
      await out.writeSSE({ event: "end", data: state });
      return;
    } else await changed.next(abort.signal);
  }
}

async function followAll(parts: ApiParts, out: SSEStreamingApi): Promise<void> {
  const abort = new AbortController();
  out.onAbort(() => abort.abort());
  using alive = keepAlive(out);
  using changed = notices(parts, () => true);
  while (!abort.signal.aborted) {
    for (const run of changed.take()) await out.writeSSE({ event: "run", data: JSON.stringify(runDocument(run)) });
    await changed.next(abort.signal);
  }
}

/** Who is slow sees the last state of each run, not every one. */
function notices({ changes }: ApiParts, isWanted: (run: ServerRun) => boolean) {
  let wake: (() => void) | undefined;
  const changed = new Map<number, ServerRun>();
  const subscription = changes.subscribe((run) => {
    if (!isWanted(run)) return;
    changed.set(run.id, run);
    wake?.();
  });
  return {
    take(): readonly ServerRun[] {
      const taken = [...changed.values()];
      changed.clear();
      return taken;
    },
    /** When there is something to take, when some time has passed, or when it is aborted. */
    next: (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        const timer = setTimeout(done, KEEP_ALIVE_MS);
        function done(): void {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          wake = undefined;
          resolve();
        }
        wake = done;
        if (signal.aborted || changed.size > 0) done();
        else signal.addEventListener("abort", done, { once: true });
      }),
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  };
}

/** A comment now and then, so that nobody on the way takes the connection for dead. */
function keepAlive(out: SSEStreamingApi): Disposable {
  const timer = setInterval(() => void out.write(": still here\n\n"), KEEP_ALIVE_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Attempt and place; nothing for what is not one of ours. */
function placeOf(last: string | undefined): readonly number[] {
  const parts = /^(?<attempt>\d{1,9})-(?<place>\d{1,12})$/u.exec(last ?? "")?.groups;
  return parts === undefined ? [] : [Number(parts["attempt"]), Number(parts["place"])];
}
