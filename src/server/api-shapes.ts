/** What the API takes and gives, as schemas: requests are read by them, and the OpenAPI document is made of them. */
import { z } from "@hono/zod-openapi";
import type { ServerRun } from "./server-store.ts";

const conclusion = z.enum(["success", "failure", "cancelled", "skipped"]);
export const RunStateShape = z.enum(["waiting", "queued", "running", "completed"]);
export const RepositoryName = z
  .string()
  .max(200)
  .regex(/^[\w-][\w.-]*\/(?!\.\.?$)[\w.-]+$/u, "owner/name");

export const RunShape = z
  .object({
    id: z.number().int().openapi({ description: "Counts from 1 and is never used again.", example: 42 }),
    repository: z.string(),
    workflow: z.string(),
    event: z.string(),
    sha: z.string().openapi({ description: "The commit that it runs at." }),
    headSha: z.string().openapi({ description: "The commit that it is reported on." }),
    ref: z.string(),
    actor: z.string(),
    pullRequest: z.number().int().nullable(),
    trust: z.enum(["trusted", "outsider"]).openapi({ description: "outsider: no secrets, a token that reads." }),
    state: RunStateShape,
    waitsFor: z.enum(["approval", "environment"]).nullable(),
    attempt: z.number().int(),
    run: z.string().nullable().openapi({ description: "Id of this attempt's record; null before it starts." }),
    conclusion: conclusion.nullable(),
    reason: z.string().nullable().openapi({ description: "Why it waits, or ended as it did." }),
    cancelRequested: z.boolean(),
    queuedAt: z.string(),
    startedAt: z.string().nullable(),
    completedAt: z.string().nullable(),
  })
  .openapi("Run");
export type RunDocument = z.infer<typeof RunShape>;

export function runDocument(run: ServerRun): RunDocument {
  const { id, repository, workflow, event, sha, headSha, ref, actor, trust, state, attempt, cancelRequested } = run;
  return {
    id,
    repository,
    workflow,
    event,
    sha,
    headSha,
    ref,
    actor,
    pullRequest: run.pullRequest ?? null,
    trust,
    state,
    waitsFor: state === "waiting" ? (run.waitsFor ?? null) : null,
    attempt,
    run: run.run ?? null,
    conclusion: run.conclusion ?? null,
    reason: run.reason ?? null,
    cancelRequested,
    queuedAt: isoTime(run.queuedAtMs),
    startedAt: run.startedAtMs === undefined ? null : isoTime(run.startedAtMs),
    completedAt: run.completedAtMs === undefined ? null : isoTime(run.completedAtMs),
  };
}

export const JobShape = z
  .object({
    job: z.string(),
    id: z.string(),
    name: z.string(),
    caller: z.string().nullable(),
    status: z.enum(["queued", "waiting", "in_progress", "completed"]),
    conclusion: conclusion.nullable(),
    reason: z.string().nullable(),
    environment: z.string().nullable(),
    outputs: z.record(z.string(), z.string()),
    durationMs: z.number().nullable(),
    steps: z.array(
      z.object({
        step: z.string(),
        phase: z.enum(["set_up", "pre", "main", "post", "complete"]),
        name: z.string(),
        status: z.enum(["queued", "in_progress", "completed"]),
        fate: z.enum(["ran", "skipped", "not_reached", "cancelled"]).nullable(),
        conclusion: conclusion.nullable(),
        exitCode: z.number().int().nullable(),
        durationMs: z.number().nullable(),
        logLines: z.number().int(),
      }),
    ),
  })
  .openapi("Job");

export const ArtifactShape = z
  .object({
    id: z.number().int(),
    name: z.string(),
    attempt: z.number().int(),
    sizeBytes: z.number().int(),
    sha256: z.string(),
    mimeType: z.string(),
    createdAt: z.string(),
    expiresAt: z.string(),
  })
  .openapi("Artifact");

export const DeliveryShape = z
  .object({
    id: z.number().int(),
    guid: z.string(),
    event: z.string(),
    repository: z.string(),
    source: z.enum(["webhook", "missed", "hook", "api", "schedule"]),
    state: z.enum(["received", "planned", "ignored", "refused"]),
    reason: z.string().nullable(),
    receivedAt: z.string(),
  })
  .openapi("Delivery");

/** GitHub's own limits: ACTIONS-CONTRACT §7.2. */
const MAX_INPUTS = 25;
const MAX_TEXT = 65_535;
const MAX_CLIENT_PAYLOAD = 10;

export const DispatchShape = z
  .object({
    repository: RepositoryName,
    workflow: z
      .string()
      .min(1)
      .max(500)
      .openapi({ description: "Its path, or the name of its file.", example: "ci.yml" }),
    ref: z.string().min(1).max(255).optional().openapi({ description: "A branch or tag; else the default branch." }),
    inputs: z
      .record(z.string().max(200), z.string().max(MAX_TEXT))
      .refine((inputs) => Object.keys(inputs).length <= MAX_INPUTS, `at most ${MAX_INPUTS} inputs`)
      .refine((inputs) => JSON.stringify(inputs).length <= MAX_TEXT, `at most ${MAX_TEXT} characters`)
      .optional(),
  })
  .strict()
  .openapi("Dispatch");

export const RepositoryDispatchShape = z
  .object({
    repository: RepositoryName,
    eventType: z.string().min(1).max(100),
    clientPayload: z
      .record(z.string().max(200), z.unknown())
      .refine((payload) => Object.keys(payload).length <= MAX_CLIENT_PAYLOAD, `at most ${MAX_CLIENT_PAYLOAD} members`)
      .refine((payload) => JSON.stringify(payload).length <= MAX_TEXT, `at most ${MAX_TEXT} characters`)
      .optional(),
  })
  .strict()
  .openapi("RepositoryDispatch");

export const ProblemShape = z.object({ error: z.string(), message: z.string() }).openapi("Problem");

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
