/** `GET /api/v1/runs…`: what runs there are, their jobs and steps, and their artifacts. */
import { createRoute, z } from "@hono/zod-openapi";
import { applyEvent, emptyRecord } from "../store/run-record.ts";
import type { JobRecord, StepRecord } from "../store/run-record.ts";
import { ApiProblem, findRun } from "./api-parts.ts";
import type { Api, ApiParts } from "./api-parts.ts";
import {
  ArtifactShape,
  DeliveryShape,
  isoTime,
  JobShape,
  RepositoryName,
  RunShape,
  RunStateShape,
} from "./api-shapes.ts";
import { runDocument } from "./api-shapes.ts";
import { problems, RunId } from "./api-routes.ts";
import type { ServerRun } from "./server-store.ts";

const limit = z.coerce.number().int().min(1).max(500).default(50);

const listRuns = createRoute({
  method: "get",
  path: "/api/v1/runs",
  summary: "Runs, newest first",
  request: {
    query: z.object({ repository: RepositoryName.optional(), state: RunStateShape.optional(), limit }),
  },
  responses: {
    200: {
      description: "They are",
      content: { "application/json": { schema: z.object({ runs: z.array(RunShape) }) } },
    },
    ...problems,
  },
});

const oneRun = createRoute({
  method: "get",
  path: "/api/v1/runs/{id}",
  summary: "One run",
  request: { params: RunId },
  responses: { 200: { description: "It is", content: { "application/json": { schema: RunShape } } }, ...problems },
});

const jobsOfRun = createRoute({
  method: "get",
  path: "/api/v1/runs/{id}/jobs",
  summary: "Jobs of the current attempt with their steps",
  request: { params: RunId },
  responses: {
    200: {
      description: "They are",
      content: { "application/json": { schema: z.object({ jobs: z.array(JobShape) }) } },
    },
    ...problems,
  },
});

const artifactsOfRun = createRoute({
  method: "get",
  path: "/api/v1/runs/{id}/artifacts",
  summary: "What its jobs have uploaded, oldest first",
  request: { params: RunId },
  responses: {
    200: {
      description: "They are",
      content: { "application/json": { schema: z.object({ artifacts: z.array(ArtifactShape) }) } },
    },
    ...problems,
  },
});

const oneArtifact = createRoute({
  method: "get",
  path: "/api/v1/runs/{id}/artifacts/{artifact}",
  summary: "An artifact as it was uploaded",
  request: { params: RunId.extend({ artifact: z.coerce.number().int().min(1) }) },
  responses: {
    200: {
      description: "As an attachment",
      content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
    },
    ...problems,
  },
});

const listDeliveries = createRoute({
  method: "get",
  path: "/api/v1/deliveries",
  summary: "What came in, newest first",
  request: { query: z.object({ limit }) },
  responses: {
    200: {
      description: "They are",
      content: { "application/json": { schema: z.object({ deliveries: z.array(DeliveryShape) }) } },
    },
    ...problems,
  },
});

export function addRunRoutes(api: Api, parts: ApiParts): void {
  const { store, artifacts } = parts;
  api.openapi(listRuns, (c) => {
    const { repository, state, limit: most } = c.req.valid("query");
    const runs = store.runs.list({
      ...(repository !== undefined && { repository }),
      ...(state !== undefined && { state }),
      limit: most,
    });
    return c.json({ runs: runs.map(runDocument) }, 200);
  });
  api.openapi(oneRun, (c) => c.json(runDocument(findRun(parts, c.req.valid("param").id)), 200));
  api.openapi(jobsOfRun, async (c) => {
    const { run } = findRun(parts, c.req.valid("param").id);
    const record = emptyRecord();
    if (run !== undefined) for await (const event of parts.stored.read(run)) applyEvent(record, event);
    return c.json({ jobs: record.jobs.map(jobDocument) }, 200);
  });
  api.openapi(artifactsOfRun, async (c) => {
    const found = await artifactsOf(parts, findRun(parts, c.req.valid("param").id));
    return c.json({ artifacts: [...found] }, 200);
  });
  api.openapi(oneArtifact, async (c) => {
    const { id, artifact: wanted } = c.req.valid("param");
    // Of this run alone: the number by itself would name one of any run.
    const found = (await artifactsOf(parts, findRun(parts, id))).find((one) => one.id === wanted);
    const opened = found && (await artifacts.open(found.id));
    if (found === undefined || opened === undefined) {
      throw new ApiProblem(404, "not_found", `Run ${id} has no artifact ${wanted}`);
    }
    const name = /zip/u.test(found.mimeType) ? `${found.name}.zip` : found.name;
    return c.body(opened.bytes, 200, {
      // Whatever it says it is: nothing of it is ever shown by a browser here (A34).
      "content-type": "application/octet-stream",
      "content-length": String(opened.sizeBytes),
      "content-disposition": `attachment; filename="artifact-${found.id}"; filename*=UTF-8''${encoded(name)}`,
    });
  });
  api.openapi(listDeliveries, (c) => {
    const deliveries = store.deliveries.list(c.req.valid("query").limit).map((delivery) => {
      const { id, guid, event, repository, source, state, reason, receivedAtMs } = delivery;
      return { id, guid, event, repository, source, state, reason: reason ?? null, receivedAt: isoTime(receivedAtMs) };
    });
    return c.json({ deliveries }, 200);
  });
}

async function artifactsOf({ artifacts }: ApiParts, { run, firstRun }: ServerRun) {
  const record = firstRun ?? run;
  return record === undefined ? [] : await artifacts.list(record);
}

/** RFC 5987. */
function encoded(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/gu, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function jobDocument({ job, id, name, caller, state, environment, outputs, steps }: JobRecord) {
  const completed = state.status === "completed" ? state : undefined;
  return {
    job,
    id,
    name,
    caller: caller ?? null,
    status: state.status,
    conclusion: completed?.conclusion ?? null,
    reason: completed?.reason ?? null,
    environment: environment?.name ?? null,
    outputs: { ...outputs },
    durationMs: completed?.durationMs ?? null,
    steps: steps.map(stepDocument),
  };
}

function stepDocument({ step, phase, name, state, logLines }: StepRecord) {
  const completed = state.status === "completed" ? state : undefined;
  const ran = completed?.fate.kind === "ran" ? completed.fate : undefined;
  return {
    step,
    phase,
    name,
    status: state.status,
    fate: completed?.fate.kind ?? null,
    conclusion: ran?.conclusion ?? null,
    exitCode: ran?.exitCode ?? null,
    durationMs: completed?.durationMs ?? null,
    logLines,
  };
}
