/**
 * Actions of other repositories on their way into the machine, to where GitHub's runner keeps them (ACTIONS-CONTRACT §4.1):
 * `_actions/<owner>/<repo>/<ref>`, so that two references to one commit are two directories. Every job gets its own, because the
 * steps of an earlier job in the same machine can write there, as root too: nothing in a machine can vouch for them. Within a
 * job each is brought once, however many steps, at whatever depth and moment, use it.
 */
import { addAbortSignal } from "node:stream";
import type { Readable } from "node:stream";
import { deliveredAction, isBuiltinAction } from "../action/builtin-action.ts";
import type { ActionSource } from "../action/action-source.ts";
import type { ActionManifest } from "../action/manifest.ts";
import type { StepLog } from "../joblog/step-log.ts";
import { EngineError } from "../lib/engine-error.ts";
import { Semaphore } from "../lib/semaphore.ts";
import type { RemoteAction, Way } from "../plan/plan.ts";
import type { Delivery, JobRun } from "./job-run.ts";
import { loadManifest } from "./load-manifest.ts";
import { unpackArchive } from "./unpack-archive.ts";

/** Archives that are unpacked at the same time: more make nothing faster, and each holds buffers. */
const MAX_AT_ONCE = 4;

/** Those that the ways need and the machine does not have yet. Throws what the machine's agent throws. */
export async function deliverActions(
  job: JobRun,
  log: StepLog,
  ways: readonly Way[],
  stop: AbortSignal,
): Promise<Delivery> {
  const actions = new Map(remoteActionsIn(ways).map((action) => [`${nameOf(action)} ${action.sha}`, action]));
  const missing = new Map(
    [...actions.values()].flatMap((action) => (isThere(job, action) ? [] : [[rootName(action), action]])),
  );
  const others = [...missing].filter(([, action]) => !isBuiltinAction(action));
  if (others.length > 0) {
    log.line("Prepare all required actions");
    log.line("Getting action download info");
    for (const [name, { sha }] of others) log.line(`Download action repository '${name}' (SHA:${sha})`);
  }
  const places = new Semaphore(MAX_AT_ONCE);
  const ended = await Promise.allSettled([...missing.values()].map((action) => deliverOnce(job, action, places, stop)));
  const deliveries = ended.map(valueOf);
  // Reading the manifests is a second round, since actions of one repository share an archive.
  const bad = deliveries.find(({ kind }) => kind !== "delivered");
  if (bad !== undefined) return bad;
  const loads = await Promise.allSettled([...actions.values()].map((action) => loadOnce(job, action)));
  return loads.map(valueOf).find(({ kind }) => kind !== "delivered") ?? { kind: "delivered" };
}

/** In a job that goes on in a machine that was saved: a reference that means another commit now is brought anew. */
export async function forgetMovedActions(job: JobRun): Promise<void> {
  const { delivered } = job.state;
  const actions = remoteActionsIn(job.instance.steps.map(({ way }) => way));
  const moved = actions.filter((action) => {
    const there = delivered[rootName(action)];
    return there !== undefined && there.sha !== action.sha;
  });
  if (moved.length === 0) return;
  await job.machine.agent.reset({ empty: moved.map((action) => deliveryDirectory(job, action)) });
  for (const action of moved) delete delivered[rootName(action)];
}

/** Where the repository of the action is in the machine. */
function deliveryDirectory({ machine }: Pick<JobRun, "machine">, { repository, ref }: RemoteAction): string {
  const path = `${repository}/${ref}`;
  // A reference that was resolved has none of these; a path made of one that was not must not lead elsewhere.
  if (path.split("/").some((part) => part === "" || part === "." || part === "..")) {
    throw new EngineError("ACTION_UNAVAILABLE", `'${repository}@${ref}' cannot be the name of a directory`);
  }
  return `${machine.layout.actions}/${path}`;
}

/** Where the action itself is. */
export function actionDirectory(job: Pick<JobRun, "machine">, action: RemoteAction): string {
  const root = deliveryDirectory(job, action);
  return action.path === "" ? root : `${root}/${action.path}`;
}

/** Of an action that was delivered. */
export function deliveredManifest({ state }: Pick<JobRun, "state">, action: RemoteAction): ActionManifest {
  const manifest = state.delivered[rootName(action)]?.manifests[action.path];
  if (manifest === undefined) throw new Error(`'${nameOf(action)}' was not delivered`);
  return manifest;
}

/** `owner/repo/path@ref`, as its author wrote it. */
function nameOf({ repository, path, ref }: RemoteAction): string {
  return `${repository}${path === "" ? "" : `/${path}`}@${ref}`;
}

function rootName(action: RemoteAction): string {
  return nameOf({ ...action, path: "" });
}

/** At whatever depth, in the order in which the steps stand. */
function remoteActionsIn(ways: readonly Way[]): readonly RemoteAction[] {
  return ways.flatMap((way) => {
    const action = deliveredAction(way);
    const own = action === undefined ? [] : [action];
    return way.kind === "composite" ? [...own, ...remoteActionsIn(way.steps.map((step) => step.way))] : own;
  });
}

function isThere(job: JobRun, action: RemoteAction): boolean {
  const delivered = job.state.delivered[rootName(action)];
  if (delivered === undefined) return false;
  if (delivered.sha === action.sha) return true;
  throw new Error(`'${rootName(action)}' means ${delivered.sha} and ${action.sha} in one run`);
}

/** Two steps in the background may want the same one at the same time. */
function deliverOnce(job: JobRun, action: RemoteAction, places: Semaphore, stop: AbortSignal): Promise<Delivery> {
  const name = rootName(action);
  const underWay = job.deliveries.get(name);
  if (underWay !== undefined) return underWay;
  const delivery = deliver(job, action, places, stop).finally(() => job.deliveries.delete(name));
  job.deliveries.set(name, delivery);
  return delivery;
}

async function deliver(job: JobRun, action: RemoteAction, places: Semaphore, stop: AbortSignal): Promise<Delivery> {
  using place = await places.acquire();
  const source: Source = { fault: undefined };
  try {
    if (stop.aborted) return { kind: "stopped" };
    const open = (): AsyncIterable<Uint8Array> =>
      readNotingFaults(() => openUnless(stop, job.actions, action), source, stop);
    await unpackArchive(job.machine, deliveryDirectory(job, action), open, stop);
    // Without a prototype: a directory may be called `__proto__`.
    job.state.delivered[rootName(action)] = { sha: action.sha, manifests: Object.create(null) };
    return { kind: "delivered" };
  } catch (error) {
    if (stop.aborted) return { kind: "stopped" };
    const ours = source.fault?.error ?? error;
    if (source.fault === undefined && (!(ours instanceof EngineError) || isLoss(ours))) throw error;
    const why = ours instanceof Error ? ours.message : String(ours);
    return { kind: "failed", message: `Cannot deliver the action '${rootName(action)}': ${why}` };
  }
}

/** What an archive died of before it had all been read: not the machine's fault, though the machine may be first to complain. */
interface Source {
  fault: { readonly error: unknown } | undefined;
}

async function* readNotingFaults(
  open: () => Promise<Readable>,
  source: Source,
  stop: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of addAbortSignal(stop, await open())) yield chunk;
  } catch (error) {
    source.fault = { error };
    throw error;
  }
}

/** Rejects at once when `stop` comes; a stream that comes later is closed. */
async function openUnless(stop: AbortSignal, actions: ActionSource, action: RemoteAction): Promise<Readable> {
  const opening = actions.open(action);
  const stopped = Promise.withResolvers<never>();
  const onAbort = (): void => {
    opening.then(
      (tar) => tar.destroy(),
      // Nobody waits for it any more.
      () => undefined,
    );
    stopped.reject(stop.reason);
  };
  stop.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([opening, stopped.promise]);
  } finally {
    stop.removeEventListener("abort", onAbort);
  }
}

function isLoss({ code }: EngineError): boolean {
  return code === "MACHINE_LOST" || code === "GUEST_PROTOCOL";
}

async function loadOnce(job: JobRun, action: RemoteAction): Promise<Delivery> {
  const { manifests } = job.state.delivered[rootName(action)] ?? {};
  if (manifests === undefined) throw new Error(`'${nameOf(action)}' was not delivered`);
  if (manifests[action.path] !== undefined) return { kind: "delivered" };
  const loaded = await loadManifest(job.machine.agent, actionDirectory(job, action), nameOf(action));
  if (loaded.kind === "loaded") {
    manifests[action.path] = loaded.manifest;
    return { kind: "delivered" };
  }
  if (loaded.kind === "refused") return { kind: "failed", message: loaded.message };
  const message = `Can't find 'action.yml' or 'action.yaml' for action '${nameOf(action)}', which was planned with one.`;
  return { kind: "failed", message };
}

function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === "rejected") throw result.reason;
  return result.value;
}
