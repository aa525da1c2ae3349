/**
 * Artifacts and caches that this host keeps of the repository, whatever run made them. An artifact's bytes are at another address, which
 * needs no token. Source: GitHub REST "Actions artifacts", "Actions cache", ACTIONS-CONTRACT §5.5.
 */
import type { ApiCall } from "./api-call.ts";
import { numberParam, param, timeOf } from "./api-call.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, json, noContent, notFound } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, nodeId } from "./api-shape.ts";
import type { Artifact } from "./artifact-store.ts";
import type { CacheEntry } from "./cache-store.ts";

const READS = reads("actions");
const WRITES = writes("actions");

export const keptRoutes: readonly Route[] = [
  route("GET", "actions/runs/{id}/artifacts", READS, (call) => {
    const run = String(numberParam(call, "id"));
    return listArtifacts(call, (artifact) => artifact.runId === run);
  }),
  route("GET", "actions/artifacts", READS, (call) => listArtifacts(call, () => true)),
  route("GET", "actions/artifacts/{id}", READS, async (call) => json(artifactShape(call, await artifactOf(call)))),
  route("GET", "actions/artifacts/{id}/{format}", READS, async (call) => {
    if (param(call, "format") !== "zip") throw notFound();
    const Location = call.kept.artifactUrl(call.caller, await artifactOf(call));
    return { status: 302, headers: { Location }, content: { kind: "none" } };
  }),
  route("DELETE", "actions/artifacts/{id}", WRITES, async (call) => {
    await call.kept.removeArtifact(await artifactOf(call));
    return noContent;
  }),
  route("GET", "actions/caches", READS, listCaches),
  route("GET", "actions/cache/usage", READS, async (call) => {
    const caches = await call.kept.caches(call.caller);
    return json({
      full_name: `${call.repository.owner}/${call.repository.name}`,
      active_caches_size_in_bytes: caches.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      active_caches_count: caches.length,
    });
  }),
  route("DELETE", "actions/caches", WRITES, removeCachesByKey),
  route("DELETE", "actions/caches/{id}", WRITES, async (call) => {
    const id = numberParam(call, "id");
    if (!(await call.kept.caches(call.caller)).some((cache) => cache.id === id)) throw notFound();
    await call.kept.removeCaches([id]);
    return noContent;
  }),
];

async function listArtifacts(call: ApiCall, isWanted: (artifact: Artifact) => boolean): Promise<ApiResponse> {
  const name = call.request.query.get("name");
  const all = await call.kept.artifacts(call.caller);
  const wanted = all.filter((one) => isWanted(one) && (name === null || one.name === name)).toReversed();
  return paged(call, wanted, (part, total) => ({
    total_count: total,
    artifacts: part.map((artifact) => artifactShape(call, artifact)),
  }));
}

async function artifactOf(call: ApiCall): Promise<Artifact> {
  const id = numberParam(call, "id");
  const found = (await call.kept.artifacts(call.caller)).find((artifact) => artifact.id === id);
  if (found === undefined) throw notFound();
  return found;
}

function artifactShape({ claims, repository }: ApiCall, artifact: Artifact): JsonObject {
  const { id, name, sizeBytes, sha256, createdAtMs, expiresAtMs, runId } = artifact;
  const url = `${apiOf(repository)}/actions/artifacts/${id}`;
  const isOwn = runId === claims.runId;
  return {
    id,
    node_id: nodeId("ART", id),
    name,
    size_in_bytes: sizeBytes,
    url,
    archive_download_url: `${url}/zip`,
    expired: false,
    digest: `sha256:${sha256}`,
    created_at: timeOf(createdAtMs),
    updated_at: timeOf(createdAtMs),
    expires_at: timeOf(expiresAtMs),
    workflow_run: {
      id: Number(runId),
      repository_id: Number(claims.repository.id),
      head_repository_id: Number(claims.repository.id),
      ...(isOwn ? { head_branch: claims.ref.replace(/^refs\/heads\//, ""), head_sha: claims.sha } : {}),
    },
  };
}

async function listCaches(call: ApiCall): Promise<ApiResponse> {
  const { query } = call.request;
  const [key, ref] = [query.get("key"), query.get("ref")];
  const caches = (await call.kept.caches(call.caller)).filter(
    (cache) => (key === null || cache.key.startsWith(key)) && (ref === null || cache.scope === ref),
  );
  return paged(call, caches, (part, total) => ({ total_count: total, actions_caches: part.map(cacheShape) }));
}

async function removeCachesByKey(call: ApiCall): Promise<ApiResponse> {
  const { query } = call.request;
  const [key, ref] = [query.get("key"), query.get("ref")];
  if (key === null) throw new ApiProblem(422, 'Invalid request.\n\n"key" wasn\'t supplied.');
  const caches = (await call.kept.caches(call.caller)).filter(
    (cache) => cache.key === key && (ref === null || cache.scope === ref),
  );
  if (caches.length === 0) throw notFound();
  await call.kept.removeCaches(caches.map(({ id }) => id));
  return json({ total_count: caches.length, actions_caches: caches.map(cacheShape) });
}

function cacheShape({ id, scope, key, version, usedAtMs, createdAtMs, sizeBytes }: CacheEntry): JsonObject {
  return {
    id,
    ref: scope,
    key,
    version,
    last_accessed_at: timeOf(usedAtMs),
    created_at: timeOf(createdAtMs),
    size_in_bytes: sizeBytes,
  };
}
