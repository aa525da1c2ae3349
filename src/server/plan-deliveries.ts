/**
 * From deliveries to runs: takes the oldest that is not planned, brings the mirror up to date, plans what the event starts, and settles it in
 * one transaction. Killed at any place it is begun again and comes to the same runs, once. Trouble that may pass keeps a
 * delivery in the line, and holds up no other.
 */
import { bareRepository } from "../git/file-at-commit.ts";
import { EngineError } from "../lib/engine-error.ts";
import { checkOut } from "./checkout.ts";
import { createEnvironmentGate } from "./environment-gate.ts";
import { eventOfDelivery } from "./event-of-delivery.ts";
import type { Happening, Start } from "./event-of-delivery.ts";
import { fp } from "./fail-point.ts";
import { defaultBranchOf, findWanted } from "./mirror.ts";
import type { FoundCommit, Mirror, Mirrors } from "./mirror.ts";
import { parsePayload } from "./payload.ts";
import type { Payload } from "./payload.ts";
import { planCommit, withoutCommit } from "./plan-commit.ts";
import type { CommitPlanner, PlannedCommit } from "./plan-commit.ts";
import type { ServerLog } from "./server-log.ts";
import type { Delivery, DeliveryEnd, NewReport, ServerRun, ServerStore } from "./server-store.ts";

export interface DeliveryPlannerParts extends Omit<CommitPlanner, "asksFirst"> {
  readonly store: Pick<ServerStore, "deliveries">;
  readonly mirrors: Mirrors;
  /** Checkouts are made in it; the caller sweeps it. */
  readonly scratch: string;
  readonly serverUrl: string;
  /** Names of environments, of every repository, whose deployments wait for approval; `*`: all. */
  readonly askedEnvironments: readonly string[];
  /** Whether this server runs workflows of the repository: who installs an App is not always who owns the machines. */
  readonly serves: (repository: string) => boolean;
  /** What is meant for Hearth itself (a check of its own, asked for again): answers what it did, and no workflow is started. */
  readonly takeOver?: (delivery: Delivery, payload: Payload) => string | undefined;
  /** Written with the runs. */
  readonly reportsOf?: (run: ServerRun) => readonly NewReport[];
  readonly log: ServerLog;
  /** Monotonic, in ms. */
  readonly now: () => number;
  /** Deliveries at a time. */
  readonly lanes?: number;
  /** Before the second attempt; twice that before the third, and so on. */
  readonly retryMs?: number;
}

export interface DeliveryPlanner {
  /** There is something new in the line. */
  wake(): void;
  /** Takes no more, and resolves when none is being planned. Safe to call again. */
  stop(): Promise<void>;
}

const LANES = 2;
const RETRY_MS = 2_000;
const LONGEST_WAIT_MS = 600_000;
/** Twelve hours of a server that cannot be asked; GitHub has the delivery for three days. */
const MOST_TRIES = 80;
/** A minute for GitHub to make the merge commit of a pull request, or to have a pushed commit on all of its servers. */
const MISSING_TRIES = 6;
/** What another process accepts is found so soon. */
const POLL_MS = 2_000;
const DELIVERY_DEADLINE_MS = 900_000;

export function startDeliveryPlanner(parts: DeliveryPlannerParts): DeliveryPlanner {
  const { store, log, now, lanes = LANES, retryMs = RETRY_MS } = parts;
  const working = new Map<number, Promise<void>>();
  /** Those that must wait: since nobody else plans, it need not outlive this process. */
  const waiting = new Map<number, { readonly tries: number; readonly untilMs: number }>();
  const ending = new AbortController();

  function fill(): void {
    while (!ending.signal.aborted && working.size < lanes) {
      const delivery = nextOne();
      if (delivery === undefined) return;
      const done = work(delivery).then(() => {
        working.delete(delivery.id);
        fill();
      });
      working.set(delivery.id, done);
    }
  }

  function nextOne(): Delivery | undefined {
    const late = [...waiting].filter(([, { untilMs }]) => untilMs > now()).map(([id]) => id);
    try {
      return store.deliveries.next([...working.keys(), ...late]);
    } catch (error) {
      log.error("deliveries not read", { error: messageOf(error) });
      return undefined;
    }
  }

  async function work(delivery: Delivery): Promise<void> {
    const tries = (waiting.get(delivery.id)?.tries ?? 0) + 1;
    const facts = { delivery: delivery.id, event: delivery.event, repository: delivery.repository, tries };
    try {
      const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(DELIVERY_DEADLINE_MS)]);
      const end = await planDelivery(parts, delivery, tries, signal);
      fp("before_settle");
      const runs = store.deliveries.settle(delivery.id, end, parts.reportsOf);
      fp("after_settle");
      waiting.delete(delivery.id);
      log.info("delivery settled", { ...facts, state: end.state, runs: runs.length });
    } catch (error) {
      if (ending.signal.aborted) return;
      const untilMs = now() + Math.min(retryMs * 2 ** (tries - 1), LONGEST_WAIT_MS);
      waiting.set(delivery.id, { tries, untilMs });
      log.warn("delivery waits", { ...facts, error: messageOf(error) });
    }
  }

  const polling = setInterval(fill, Math.min(POLL_MS, retryMs));
  queueMicrotask(fill);
  return {
    wake: fill,
    async stop() {
      clearInterval(polling);
      ending.abort(new EngineError("GIT_FAILED", "The server ends"));
      await Promise.all(working.values());
    },
  };
}

/** Rejects with trouble that may pass, as long as it is worth another try. */
async function planDelivery(
  parts: DeliveryPlannerParts,
  delivery: Delivery,
  tries: number,
  signal: AbortSignal,
): Promise<DeliveryEnd> {
  const payload = parsePayload(delivery.body);
  if (payload === undefined) return { state: "refused", reason: "its payload is no JSON object" };
  const taken = parts.takeOver?.(delivery, payload);
  if (taken !== undefined) return { state: "ignored", reason: taken };
  const meaning = eventOfDelivery(delivery, payload);
  if (meaning.kind === "ignored") return { state: "ignored", reason: meaning.reason };
  const { happening, starts } = meaning;
  const repository = `${happening.repository.owner}/${happening.repository.name}`;
  if (!parts.serves(repository)) return { state: "refused", reason: `this server does not run ${repository}` };
  try {
    const planned = await planStarts(parts, happening, starts, tries, signal);
    const runs = planned.flatMap((one) => one.runs);
    if (runs.length > 0) return { state: "planned", runs };
    const reason = planned.flatMap((one) => one.reasons).join("; ") || "no workflow starts on it";
    return { state: "ignored", reason: reason.slice(0, MAX_REASON) };
  } catch (error) {
    if (error instanceof EngineError && tries >= MOST_TRIES) {
      return { state: "refused", reason: `${error.message.slice(0, MAX_REASON)} (${tries} tries)` };
    }
    if (error instanceof EngineError || tries < MOST_BUG_TRIES) throw error;
    return { state: "refused", reason: "a fault in Hearth; its log says more" };
  }
}

const MAX_REASON = 1_000;
/** What is no trouble of the outside will not pass, but a crash of a helper may. */
const MOST_BUG_TRIES = 3;

async function planStarts(
  parts: DeliveryPlannerParts,
  happening: Happening,
  starts: readonly Start[],
  tries: number,
  signal: AbortSignal,
): Promise<readonly PlannedCommit[]> {
  fp("before_mirror");
  using mirror = await parts.mirrors.refresh(happening.repository, happening.pullRequest, signal);
  const defaultBranch = happening.defaultBranch ?? (await defaultBranchOf(mirror));
  const planned: PlannedCommit[] = [];
  const gate = { rehearse: parts.rehearse, operator: parts.askedEnvironments };
  const planner = { ...parts, asksFirst: createEnvironmentGate(gate, bareRepository(mirror.directory), defaultBranch) };
  const found = new Map<Start, FoundCommit>();
  for (const start of starts) found.set(start, await findOrFetch(parts.mirrors, mirror, start, defaultBranch, signal));
  for (const commit of found.values()) {
    // It may be there in a moment; nothing is settled before that.
    if (commit.kind === "missing" && commit.again && tries < MISSING_TRIES)
      throw new EngineError("GIT_FAILED", commit.reason);
  }
  for (const [start, commit] of found) {
    if (commit.kind === "missing") {
      planned.push(withoutCommit(happening, start, commit.reason));
      continue;
    }
    signal.throwIfAborted();
    await using checkout = await checkOut(mirror, { ...commit, serverUrl: parts.serverUrl }, parts.scratch);
    fp("after_checkout");
    planned.push(await planCommit(planner, happening, start, { ...commit, directory: checkout.directory }));
  }
  return planned;
}

/** A commit that no branch or tag leads to any more is asked for by its id. */
async function findOrFetch(
  mirrors: Mirrors,
  mirror: Mirror,
  { wanted }: Start,
  defaultBranch: string,
  signal: AbortSignal,
): Promise<FoundCommit> {
  const found = await findWanted(mirror, wanted, defaultBranch);
  if (found.kind === "found" || wanted.kind !== "commit") return found;
  try {
    await mirrors.fetchCommit(mirror, wanted.sha, signal);
  } catch (error) {
    signal.throwIfAborted();
    // The names were fetched a moment ago, so that it is the commit which is not to be had.
    if (error instanceof EngineError) return { ...found, reason: error.message };
    throw error;
  }
  return findWanted(mirror, wanted, defaultBranch);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
