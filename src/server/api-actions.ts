/** `POST /api/v1/…`: cancel, run again, approve, dispatch. Each is durable when it is answered. */
import { createRoute, z } from "@hono/zod-openapi";
import { ApiProblem, findRun } from "./api-parts.ts";
import type { Api, ApiParts } from "./api-parts.ts";
import { conflict, problems, RunId } from "./api-routes.ts";
import { DispatchShape, RepositoryDispatchShape, runDocument, RunShape } from "./api-shapes.ts";
import type { NewDelivery } from "./server-store.ts";

const run = { description: "The run as it is now", content: { "application/json": { schema: RunShape } } };
const json = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { "application/json": { schema } },
});

const cancelRun = createRoute({
  method: "post",
  path: "/api/v1/runs/{id}/cancel",
  summary: "Cancel a run",
  description: "One that waits or is queued ends at once; steps of one that runs are asked to stop.",
  request: { params: RunId },
  responses: { 200: run, ...problems, ...conflict },
});

const rerun = createRoute({
  method: "post",
  path: "/api/v1/runs/{id}/rerun",
  summary: "Run a completed run again, as a new attempt of the same commit",
  request: {
    params: RunId,
    body: json(
      z
        .object({ failed: z.boolean().default(false).openapi({ description: "Keep the jobs that ended well." }) })
        .strict(),
    ),
  },
  responses: { 200: run, ...problems, ...conflict },
});

const approve = createRoute({
  method: "post",
  path: "/api/v1/runs/{id}/approve",
  summary: "Let a run of an outsider start",
  description: "Names the commit that was looked at: one that was pushed since is not approved.",
  request: { params: RunId, body: json(z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/u) }).strict()) },
  responses: { 200: run, ...problems, ...conflict },
});

const accepted = {
  description: "It is kept, and planned next",
  content: { "application/json": { schema: z.object({ delivery: z.number().int() }) } },
};

const dispatch = createRoute({
  method: "post",
  path: "/api/v1/dispatches",
  summary: "Start a workflow that has workflow_dispatch",
  request: { body: json(DispatchShape) },
  responses: { 202: accepted, ...problems },
});

const dispatchRepository = createRoute({
  method: "post",
  path: "/api/v1/repository-dispatches",
  summary: "Start the workflows that have repository_dispatch",
  request: { body: json(RepositoryDispatchShape) },
  responses: { 202: accepted, ...problems },
});

export function addActionRoutes(api: Api, parts: ApiParts): void {
  const { store } = parts;
  api.openapi(cancelRun, (c) => {
    const found = findRun(parts, c.req.valid("param").id);
    const cancelled = store.runs.cancel(found.id, `${c.get("name")} cancelled it`);
    if (cancelled === undefined) throw new ApiProblem(409, "completed", `Run ${found.id} has completed`);
    return c.json(runDocument(cancelled), 200);
  });
  api.openapi(rerun, (c) => {
    const found = findRun(parts, c.req.valid("param").id);
    const { failed } = c.req.valid("json");
    if (failed && found.conclusion === "success") {
      throw new ApiProblem(409, "nothing_failed", `Nothing of run ${found.id} failed`);
    }
    const again = store.runs.rerun(found.id, failed);
    if (again === undefined) {
      const why = found.refusal === undefined ? `it is ${found.state}` : "its workflow cannot be planned";
      throw new ApiProblem(409, "not_completed", `Run ${found.id} cannot run again: ${why}`);
    }
    return c.json(runDocument(again), 200);
  });
  api.openapi(approve, (c) => {
    const found = findRun(parts, c.req.valid("param").id);
    const { sha } = c.req.valid("json");
    if (sha !== found.headSha && sha !== found.sha) {
      throw new ApiProblem(409, "other_commit", `Run ${found.id} is of the commit ${found.headSha}`);
    }
    const approved = store.runs.approve(found.id, c.get("name"));
    if (approved === undefined) throw new ApiProblem(409, "not_waiting", `Run ${found.id} waits for no approval`);
    return c.json(runDocument(approved), 200);
  });
  const accept = (delivery: Pick<NewDelivery, "event" | "repository">, payload: object): number => {
    const guid = parts.newId();
    const body = JSON.stringify({ ...payload, repository: repositoryOf(delivery.repository) });
    const result = store.deliveries.accept({ ...delivery, guid, identity: undefined, body, source: "api" });
    parts.onDispatched();
    return result.kind === "accepted" ? result.id : result.of;
  };
  api.openapi(dispatch, (c) => {
    const { repository, workflow, ref, inputs = {} } = c.req.valid("json");
    const payload = { ...(ref !== undefined && { ref }), workflow, inputs, sender: { login: c.get("name") } };
    return c.json({ delivery: accept({ event: "workflow_dispatch", repository }, payload) }, 202);
  });
  api.openapi(dispatchRepository, (c) => {
    const { repository, eventType, clientPayload = {} } = c.req.valid("json");
    const payload = { action: eventType, client_payload: clientPayload, sender: { login: c.get("name") } };
    return c.json({ delivery: accept({ event: "repository_dispatch", repository }, payload) }, 202);
  });
}

/** As payloads have it, as far as it is known here. */
function repositoryOf(fullName: string): object {
  const [owner = "", name = ""] = fullName.split("/");
  return { full_name: fullName, name, owner: { login: owner } };
}
