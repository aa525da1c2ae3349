/**
 * Queued runs and their leases in SQLite; `server-store.ts` says what each method promises. A lease is counted on the monotonic clock of the
 * process that opened the store (4.1: no wall clock in correctness); those of an earlier process are over, as its workers ended with it.
 */
import { randomUUID } from "node:crypto";
import { oneOf } from "./database.ts";
import type { Database, Row } from "./database.ts";
import { fp } from "./fail-point.ts";
import { putReport } from "./sqlite-outbox.ts";
import type { LostAttempt, NewServerRun, ServerRun, ServerRuns, ServerRunState } from "./server-store.ts";

export interface Clock {
  /** Wall clock, for people. */
  readonly now: () => number;
  /** Never goes back; from any beginning. */
  readonly monotonicMs: () => number;
}

const MINE = "id = ? AND attempt = ? AND fence = ? AND state = 'running'";
const LAST_PLACE = "(SELECT coalesce(max(place), 0) + 1 FROM runs)";

export function createRuns(database: Database, { now, monotonicMs }: Clock): ServerRuns {
  const epoch = randomUUID();
  const find = (id: number): ServerRun | undefined => {
    const row = database.get("SELECT * FROM runs WHERE id = ?", id);
    return row && runOf(row);
  };
  return {
    find,
    findByRun(run) {
      const row = database.get("SELECT * FROM runs WHERE run = ?", run);
      return row && runOf(row);
    },
    list: ({ repository = null, state = null, limit }) =>
      database
        .all(
          "SELECT * FROM runs WHERE (?1 IS NULL OR repository = ?1) AND (?2 IS NULL OR state = ?2) ORDER BY id DESC LIMIT ?3",
          repository,
          state,
          limit,
        )
        .map(runOf),
    counts() {
      const rows = database.all("SELECT state, count(*) AS n FROM runs GROUP BY state");
      const count = (state: ServerRunState) => Number(rows.find((row) => row["state"] === state)?.["n"] ?? 0);
      return {
        waiting: count("waiting"),
        queued: count("queued"),
        running: count("running"),
        completed: count("completed"),
      };
    },
    queued: (limit) =>
      database
        .all(
          `SELECT * FROM (
            SELECT *, row_number() OVER (PARTITION BY repository ORDER BY place) AS rank FROM runs WHERE state = 'queued'
          ) ORDER BY rank, place LIMIT ?`,
          limit,
        )
        .map(runOf),
    claim(id, owner, leaseMs) {
      const lease = database.transaction(() => {
        const row = database.get(
          `UPDATE runs SET state = 'running', untold = 0, owner = ?, fence = fence + 1, lease_epoch = ?, lease_until_ms = ?
            WHERE id = ? AND state = 'queued' RETURNING attempt, fence`,
          owner,
          epoch,
          monotonicMs() + leaseMs,
          id,
        );
        fp("in_claim");
        return row && { id, attempt: Number(row["attempt"]), fence: Number(row["fence"]) };
      });
      fp("after_claim");
      return lease;
    },
    started: ({ id, attempt, fence }, run) =>
      database.run(
        `UPDATE runs SET run = ?, first_run = coalesce(first_run, ?), started_ms = ? WHERE ${MINE}`,
        run,
        run,
        now(),
        id,
        attempt,
        fence,
      ) === 1,
    deploys: ({ id, attempt, fence }) =>
      database.run(`UPDATE runs SET deploys = 1 WHERE ${MINE}`, id, attempt, fence) === 1,
    extend({ id, attempt, fence }, leaseMs) {
      const row = database.get(
        `UPDATE runs SET lease_epoch = ?, lease_until_ms = ? WHERE ${MINE} RETURNING cancel_requested`,
        epoch,
        monotonicMs() + leaseMs,
        id,
        attempt,
        fence,
      );
      return row === undefined ? false : { cancelRequested: row["cancel_requested"] === 1 };
    },
    complete({ id, attempt, fence }, conclusion, reason, reports) {
      const isAccepted = database.transaction(() => {
        const changed = database.run(
          `UPDATE runs SET state = 'completed', untold = 0, conclusion = ?, reason = coalesce(?, reason), completed_ms = ?,
            owner = NULL, lease_until_ms = NULL WHERE ${MINE}`,
          conclusion,
          reason ?? null,
          now(),
          id,
          attempt,
          fence,
        );
        if (changed === 1) for (const report of reports) putReport(database, report);
        fp("in_complete");
        return changed === 1;
      });
      fp("after_complete");
      return isAccepted;
    },
    recover: (infraRetries) =>
      database.transaction(() => {
        const lost = database.all(
          "SELECT id FROM runs WHERE state = 'running' AND (lease_epoch <> ? OR lease_until_ms <= ?) ORDER BY id",
          epoch,
          monotonicMs(),
        );
        for (const { id } of lost) {
          const changed =
            database.run(
              `UPDATE runs SET state = 'queued', attempt = attempt + 1, losses = losses + 1, lost = ${LOST}, ${NEW_ATTEMPT}, place = ${LAST_PLACE}
                WHERE id = ? AND losses < ? AND cancel_requested = 0 AND deploys = 0`,
              now(),
              Number(id),
              infraRetries,
            ) === 1;
          if (changed) continue;
          database.run(
            `UPDATE runs SET state = 'completed', untold = 1, lost = ${LOST}, fence = fence + 1, owner = NULL, completed_ms = ?,
              conclusion = iif(cancel_requested, 'cancelled', 'failure'),
              reason = iif(cancel_requested, coalesce(reason, 'worker_lost'), 'worker_lost') WHERE id = ?`,
            now(),
            Number(id),
          );
        }
        fp("in_recover");
        return lost.flatMap(({ id }) => find(Number(id)) ?? []);
      }),
    approve(id, by) {
      const row = database.get(
        `UPDATE runs SET state = 'queued', untold = 1, waits_for = nullif(waits_for, 'approval'), approved_by = ?, reason = NULL,
            queued_ms = ?, place = ${LAST_PLACE}
          WHERE id = ? AND state = 'waiting' RETURNING *`,
        by,
        now(),
        id,
      );
      return row && runOf(row);
    },
    cancel(id, reason) {
      const row = database.get(
        `UPDATE runs SET
          cancel_requested = 1,
          reason = ?,
          untold = iif(state = 'running', untold, 1),
          conclusion = iif(state = 'running', conclusion, 'cancelled'),
          completed_ms = iif(state = 'running', completed_ms, ?),
          state = iif(state = 'running', 'running', 'completed')
          WHERE id = ? AND state <> 'completed' RETURNING *`,
        reason,
        now(),
        id,
      );
      return row && runOf(row);
    },
    rerun(id, failedOnly) {
      const row = database.get(
        `UPDATE runs SET state = iif(waits_for IS NULL, 'queued', 'waiting'), attempt = attempt + 1, losses = 0, deploys = 0, failed_only = ?,
          conclusion = NULL, completed_ms = NULL, cancel_requested = 0,
          reason = ${WAIT_REASON}, ${NEW_ATTEMPT}, place = ${LAST_PLACE}
          WHERE id = ? AND state = 'completed' AND refusal IS NULL RETURNING *`,
        failedOnly ? 1 : 0,
        now(),
        id,
      );
      return row && runOf(row);
    },
    untold: (limit) =>
      database
        .all("SELECT * FROM runs WHERE untold = 1 OR lost IS NOT NULL ORDER BY id LIMIT ?", limit)
        .map((row) => ({ run: runOf(row), standing: row["untold"] === 1, lost: lostOf(row["lost"]) })),
    tell: ({ run: { id, attempt, state } }, reports) =>
      database.transaction(() => {
        const isSame =
          database.run(
            "UPDATE runs SET untold = 0, lost = NULL WHERE id = ? AND attempt = ? AND state = ?",
            id,
            attempt,
            state,
          ) === 1;
        if (isSame) for (const report of reports) putReport(database, report);
        return isSame;
      }),
  };
}

/** As `lostOf` reads it: `1:6k2p…,2:7x0c…`. One that never started has nothing to end. */
const LOST = "iif(run IS NULL, lost, coalesce(lost || ',', '') || attempt || ':' || run)";

function lostOf(value: unknown): readonly LostAttempt[] {
  if (typeof value !== "string") return [];
  return value.split(",").flatMap((one) => {
    const [attempt, run] = one.split(":");
    return run === undefined ? [] : [{ attempt: Number(attempt), run }];
  });
}

/** Its `run` is only known when it has started; what has a lease of the attempt before is fenced off. */
const NEW_ATTEMPT =
  "untold = 1, run = NULL, started_ms = NULL, owner = NULL, fence = fence + 1, lease_epoch = NULL, lease_until_ms = NULL, queued_ms = ?";

/** What a run that waits says to people. */
export const WAITS_FOR = {
  approval: "It waits for the approval of its commit",
  environment: "It waits for approval: a job of it deploys to an environment that asks first",
} as const;
const WAIT_REASON = `CASE waits_for WHEN 'approval' THEN '${WAITS_FOR.approval}' WHEN 'environment' THEN '${WAITS_FOR.environment}' END`;

/** Within the caller's transaction. Undefined: the delivery has this run already. */
export function insertRun(
  database: Database,
  delivery: number,
  run: NewServerRun,
  nowMs: number,
): ServerRun | undefined {
  const isRefused = run.refusal !== undefined;
  const waits = run.waitsFor === undefined ? "queued" : "waiting";
  const row = database.get(
    `INSERT INTO runs (delivery, repository, workflow, event, sha, head_sha, ref, actor, pull_request, trust, declared_steps, inputs,
      waits_for, refusal, state, conclusion, reason, queued_ms, completed_ms, place)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${LAST_PLACE})
      ON CONFLICT (delivery, workflow, event) DO NOTHING RETURNING *`,
    delivery,
    run.repository,
    run.workflow,
    run.event,
    run.sha,
    run.headSha,
    run.ref,
    run.actor,
    run.pullRequest ?? null,
    run.trust,
    run.declaredSteps,
    JSON.stringify(run.inputs),
    run.waitsFor ?? null,
    run.refusal ?? null,
    isRefused ? "completed" : waits,
    isRefused ? "failure" : null,
    run.refusal ?? (run.waitsFor === undefined ? null : WAITS_FOR[run.waitsFor]),
    nowMs,
    isRefused ? nowMs : null,
  );
  return row && runOf(row);
}

export function runsOf(database: Database, delivery: number): readonly ServerRun[] {
  return database.all("SELECT * FROM runs WHERE delivery = ? ORDER BY id", delivery).map(runOf);
}

const STATES = ["waiting", "queued", "running", "completed"] as const;
const CONCLUSIONS = ["success", "failure", "cancelled", "skipped"] as const;
const WAITS = ["approval", "environment"] as const;
const TRUSTS = ["trusted", "outsider"] as const;

function runOf(row: Row): ServerRun {
  const text = (name: string): string => String(row[name]);
  const number = (name: string): number => Number(row[name]);
  const known = <T>(name: string, read: (name: string) => T): T | undefined =>
    row[name] === null ? undefined : read(name);
  const firstRun = known("first_run", text);
  return {
    id: number("id"),
    delivery: number("delivery"),
    repository: text("repository"),
    workflow: text("workflow"),
    event: text("event"),
    sha: text("sha"),
    headSha: text("head_sha"),
    ref: text("ref"),
    actor: text("actor"),
    pullRequest: known("pull_request", number),
    trust: oneOf(TRUSTS, row["trust"]),
    declaredSteps: number("declared_steps"),
    inputs: JSON.parse(text("inputs")),
    waitsFor: known("waits_for", (name) => oneOf(WAITS, row[name])),
    refusal: known("refusal", text),
    state: oneOf(STATES, row["state"]),
    attempt: number("attempt"),
    run: known("run", text),
    firstRun: firstRun === row["run"] ? undefined : firstRun,
    conclusion: row["conclusion"] === null ? undefined : oneOf(CONCLUSIONS, row["conclusion"]),
    reason: known("reason", text),
    cancelRequested: row["cancel_requested"] === 1,
    failedOnly: row["failed_only"] === 1,
    queuedAtMs: number("queued_ms"),
    startedAtMs: known("started_ms", number),
    completedAtMs: known("completed_ms", number),
  };
}
