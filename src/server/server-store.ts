/**
 * What the server keeps beside the runs' own streams (`store/`): deliveries, queued runs with their leases, approvals, and what is
 * still to be told to GitHub. A port, types only; SQLite behind it. Every method is one transaction, durable when it returns. The database
 * is the truth: whatever is in memory can be made again from it (SECURITY-RELIABILITY 4.1).
 */
import type { Conclusion } from "../store/run-event.ts";

export interface ServerStore extends Disposable {
  readonly deliveries: Deliveries;
  readonly runs: ServerRuns;
  readonly outbox: Outbox;
  /** Small values by name: cursors, ids of comments. */
  readonly notes: Notes;
}

export interface Deliveries {
  /** The delivery and its place in the line of those to be planned. Known by its GUID, or by `identity` (A02, A03). */
  accept(delivery: NewDelivery): Accepted;
  /** As many in one transaction, answers in their order: all are kept or none is. */
  acceptAll(deliveries: readonly NewDelivery[]): readonly Accepted[];
  /** The oldest one not planned and not in `except`; undefined when there is none. It stays in the line until `settle`. */
  next(except?: readonly number[]): Delivery | undefined;
  /** How many are in the line. */
  waiting(): number;
  /**
   * Its runs and its new state at once, with what `reportsOf` says of each run that is new. Runs that exist already (same delivery,
   * workflow and event) are left as they are, and so is the end of one that was settled before. Answers all its runs.
   */
  settle(id: number, end: DeliveryEnd, reportsOf?: (run: ServerRun) => readonly NewReport[]): readonly ServerRun[];
  find(guid: string): Delivery | undefined;
  /** Of a run: undefined when it was pruned. */
  get(id: number): Delivery | undefined;
  /** Newest first. */
  list(limit: number): readonly DeliverySummary[];
  /**
   * Forgets bodies of those received before, never of one in the line or with a run that has not completed; and with their runs the rows of
   * those received 30 days ago and before (A02: GitHub may send a GUID again for less). Answers how many it touched.
   */
  prune(beforeMs: number): number;
}

export interface NewDelivery {
  /** X-GitHub-Delivery, or one of our own for what comes from elsewhere (hook, API, schedule). */
  readonly guid: string;
  /** GitHub's name: `push`. */
  readonly event: string;
  /** `owner/name` as GitHub spells it; empty for events without a repository. */
  readonly repository: string;
  /** What makes two deliveries the same happening (push: repository, ref, after); undefined where the body has nothing of the kind. */
  readonly identity: string | undefined;
  /** JSON text of the payload; of one that is kept, empty once it is forgotten. */
  readonly body: string;
  readonly source: "webhook" | "missed" | "hook" | "api" | "schedule";
}

export type Accepted =
  | { readonly kind: "accepted"; readonly id: number }
  | { readonly kind: "duplicate" | "replay"; readonly of: number };

export interface Delivery extends NewDelivery {
  readonly id: number;
  readonly receivedAtMs: number;
  readonly state: "received" | "planned" | "ignored" | "refused";
  /** Why nothing came of it. */
  readonly reason: string | undefined;
}

export type DeliverySummary = Omit<Delivery, "body">;

export type DeliveryEnd =
  | { readonly state: "planned"; readonly runs: readonly NewServerRun[] }
  | { readonly state: "ignored" | "refused"; readonly reason: string };

export interface NewServerRun {
  readonly repository: string;
  /** As `Workflow.path`. */
  readonly workflow: string;
  readonly event: string;
  /** The commit that it runs at, and that of GitHub's reports: for a pull request its head. */
  readonly sha: string;
  readonly headSha: string;
  readonly ref: string;
  readonly actor: string;
  /** Of a pull request; undefined for others. */
  readonly pullRequest: number | undefined;
  readonly trust: Trust;
  readonly declaredSteps: number;
  /** Inputs of workflow_dispatch. */
  readonly inputs: { readonly [name: string]: string };
  /** `environment`: a job of it deploys where somebody is asked first, each time anew. Undefined: queued. */
  readonly waitsFor: "approval" | "environment" | undefined;
  /** Set where the workflow cannot be planned: it ends as failure with this text, and never starts. */
  readonly refusal: string | undefined;
}

/** `outsider`: no secrets, read-only token, own cache scope, approval of the exact commit (A24, A25). */
export type Trust = "trusted" | "outsider";

export type ServerRunState = "waiting" | "queued" | "running" | "completed";

export interface ServerRun extends NewServerRun {
  /** From 1, never used again. */
  readonly id: number;
  readonly delivery: number;
  readonly state: ServerRunState;
  /** From 1. */
  readonly attempt: number;
  /** Id of the current attempt in the run store; undefined before it has started. */
  readonly run: string | undefined;
  /** The first attempt's, where this is a later one. */
  readonly firstRun: string | undefined;
  readonly conclusion: Conclusion | undefined;
  /** For people: why it waits, or ended without running. */
  readonly reason: string | undefined;
  readonly cancelRequested: boolean;
  /** Jobs of the last attempt that did not fail are kept. */
  readonly failedOnly: boolean;
  readonly queuedAtMs: number;
  readonly startedAtMs: number | undefined;
  readonly completedAtMs: number | undefined;
}

/** Names one attempt's right to write: whatever comes with an older one is refused. */
export interface Lease {
  readonly id: number;
  readonly attempt: number;
  readonly fence: number;
}

export interface ServerRuns {
  find(id: number): ServerRun | undefined;
  findByRun(run: string): ServerRun | undefined;
  /** Newest first. */
  list(filter: {
    readonly repository?: string;
    readonly state?: ServerRunState;
    readonly limit: number;
  }): readonly ServerRun[];
  /** How many are in each state. */
  counts(): { readonly [state in ServerRunState]: number };
  /** Queued ones, the oldest of each repository first, for whoever decides about fairness. */
  queued(limit: number): readonly ServerRun[];
  /** Undefined when somebody else has it, or it is not queued any more. */
  claim(id: number, owner: string, leaseMs: number): Lease | undefined;
  /** The attempt has this id in the run store from now on. False: the lease is over. */
  started(lease: Lease, run: string): boolean;
  /** A job that deploys is about to start: `recover` never queues this attempt's run again. False: the lease is over. */
  deploys(lease: Lease): boolean;
  /** False: the lease is over, and the holder must stop. Tells of a cancel that was asked for. */
  extend(lease: Lease, leaseMs: number): { readonly cancelRequested: boolean } | false;
  /** The accepted result of the attempt, with what is to be reported, at once. False: superseded. */
  complete(lease: Lease, conclusion: Conclusion, reason: string | undefined, reports: readonly NewReport[]): boolean;
  /**
   * Those whose lease is over: queued again as a new attempt while `infraRetries` allows it, else completed as failure with the reason
   * `worker_lost`. Answers what it changed.
   */
  recover(infraRetries: number): readonly ServerRun[];
  approve(id: number, by: string): ServerRun | undefined;
  /** Waiting and queued ones end at once as cancelled; of running ones the holder is told. */
  cancel(id: number, reason: string): ServerRun | undefined;
  /** A new attempt of one that has completed; undefined otherwise. */
  rerun(id: number, failedOnly: boolean): ServerRun | undefined;
  /** Those that `recover`, `approve`, `cancel` or `rerun` changed, and nobody has been told. Oldest first. */
  untold(limit: number): readonly UntoldRun[];
  /** Puts the reports, and the run is told of. False where it has changed since it was listed: nothing is put. */
  tell(untold: UntoldRun, reports: readonly NewReport[]): boolean;
}

export interface UntoldRun {
  readonly run: ServerRun;
  /** Its state as it is now is to be told; false where a worker has told of it since. */
  readonly standing: boolean;
  /** Attempts that ended with their process, by their ids in the run store. */
  readonly lost: readonly LostAttempt[];
}

export interface LostAttempt {
  readonly attempt: number;
  readonly run: string;
}

export interface NewReport {
  /** One current state for each: a later report of the same key replaces one that was not sent. */
  readonly key: string;
  readonly kind: "check_run" | "status" | "comment";
  readonly repository: string;
  /** What the reporter of this kind needs, as JSON. */
  readonly body: string;
}

export interface Report extends NewReport {
  readonly id: number;
  readonly tries: number;
}

/** What is still to be told to GitHub; sent at least once, the last state of each key last. */
export interface Outbox {
  put(report: NewReport): void;
  /** Due now, one for each key at most, oldest first. */
  due(nowMs: number, limit: number): readonly Report[];
  /** Unless a later one has replaced it meanwhile. */
  sent(id: number): void;
  failed(id: number, again: { readonly atMs: number; readonly error: string }): void;
  /** Given up: kept for the doctor, never sent. */
  abandon(id: number, error: string): void;
  size(): number;
  /** Forgets all but the newest of those that were given up. Answers how many. */
  prune(keep: number): number;
}

export interface Notes {
  get(name: string): string | undefined;
  set(name: string, value: string): void;
  /** Names that begin so. */
  names(prefix: string): readonly string[];
  remove(name: string): void;
}
