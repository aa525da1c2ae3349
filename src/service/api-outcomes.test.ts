import { describe, expect, it } from "vitest";
import { NOW_MS, serveApi } from "./api.fixture.ts";
import type { Artifact } from "./artifact-store.ts";
import type { CacheEntry } from "./cache-store.ts";

const R = "/repos/octo/repo";

describe("checks and statuses", () => {
  it("are kept with their commit", async () => {
    await using api = await serveApi();
    const sha = api.commits.topic;
    const annotation = { path: "a", start_line: 1, end_line: 1, annotation_level: "warning", message: "m" };
    const made = await api.ask("POST", `${R}/check-runs`, {
      body: {
        name: "Tests",
        head_sha: sha,
        status: "in_progress",
        output: { title: "t", summary: "s", annotations: [annotation] },
      },
    });
    const id = /"id":(\d+)/.exec(made.bytes.toString())?.[1];
    const done = { conclusion: "failure", output: { summary: "s2", annotations: [annotation, annotation] } };
    expect((await api.ask("PATCH", `${R}/check-runs/${id}`, { body: done })).body).toMatchObject({
      status: "completed",
      conclusion: "failure",
      completed_at: "2026-11-22T12:00:00Z",
      output: { title: "t", summary: "s2", annotations_count: 3 },
    });
    expect(await api.get(`${R}/check-runs/${id}/annotations`)).toHaveLength(3);
    expect(await api.get(`${R}/commits/topic/check-runs`)).toMatchObject({
      total_count: 1,
      check_runs: [{ name: "Tests" }],
    });
    const many = {
      head_sha: sha,
      name: "x",
      output: { title: "", summary: "s", annotations: Array.from({ length: 51 }, () => annotation) },
    };
    expect((await api.ask("POST", `${R}/check-runs`, { body: many })).status).toBe(422);
    expect((await api.ask("POST", `${R}/check-runs`, { body: { name: "x" } })).status).toBe(422);
  });

  it("combine the latest status of every context", async () => {
    await using api = await serveApi();
    const path = `${R}/statuses/${api.commits.topic}`;
    expect(await api.get(`${R}/commits/topic/status`)).toMatchObject({ state: "pending", total_count: 0 });
    for (const [context, state] of [
      ["a", "pending"],
      ["b", "success"],
      ["a", "success"],
    ])
      expect((await api.ask("POST", path, { body: { context, state } })).status).toBe(201);
    expect(await api.get(`${R}/commits/topic/status`)).toMatchObject({ state: "success", total_count: 2 });
    expect(await api.get(`${R}/commits/topic/statuses`)).toHaveLength(3);
    expect((await api.ask("POST", path, { body: { state: "great" } })).status).toBe(422);
    expect((await api.ask("POST", `${R}/statuses/${"1".repeat(40)}`, { body: { state: "success" } })).status).toBe(422);
    expect((await api.ask("POST", path, { body: { state: "success", description: "x".repeat(141) } })).status).toBe(
      422,
    );
  });

  it("let deployments have statuses", async () => {
    await using api = await serveApi();
    const made = await api.ask("POST", `${R}/deployments`, { body: { ref: "topic", environment: "stage" } });
    expect(made).toMatchObject({ status: 201, body: { sha: api.commits.topic, environment: "stage" } });
    const id = /"id":(\d+)/.exec(made.bytes.toString())?.[1];
    expect((await api.ask("POST", `${R}/deployments/${id}/statuses`, { body: { state: "success" } })).status).toBe(201);
    expect(await api.get(`${R}/deployments/${id}/statuses`)).toMatchObject([
      { state: "success", environment: "stage" },
    ]);
    expect(await api.get(`${R}/deployments?environment=other`)).toEqual([]);
  });
});

describe("releases", () => {
  it("make their tag, take assets at the address they name, and give the bytes back", async () => {
    await using api = await serveApi({ seed: { releases: [{ tag_name: "v1.0.0", body: "Old" }] } });
    expect(await api.get(`${R}/releases/latest`)).toMatchObject({ tag_name: "v1.0.0", body: "Old" });
    const made = await api.ask("POST", `${R}/releases`, {
      body: { tag_name: "v2", name: "Two", target_commitish: "topic" },
    });
    expect(made.status).toBe(201);
    expect(await api.get(`${R}/commits/v2`)).toMatchObject({ sha: api.commits.topic });
    expect(await api.get(`${R}/releases/tags/v2`)).toMatchObject({ name: "Two" });
    const upload = /"upload_url":"(?<url>[^"{]+)/.exec(made.bytes.toString())?.groups?.["url"] ?? "";
    expect(upload).toMatch(new RegExp(`^${api.origin}/api/uploads/repos/octo/repo/releases/\\d+/assets$`));
    const content = Buffer.from([0, 1, 2, 255]);
    const path = `${upload.slice(`${api.origin}/api/uploads`.length)}?name=a.bin`;
    const asset = await api.ask("POST", path, {
      base: "/api/uploads",
      body: content,
      headers: { "content-type": "application/x-thing" },
    });
    expect(asset).toMatchObject({ status: 201, body: { name: "a.bin", size: 4, content_type: "application/x-thing" } });
    const id = /"id":(\d+)/.exec(asset.bytes.toString())?.[1];
    const bytes = await api.ask("GET", `${R}/releases/assets/${id}`, {
      headers: { accept: "application/octet-stream" },
    });
    expect(bytes.bytes).toEqual(content);
    expect(await api.get(`${R}/releases/tags/v2`)).toMatchObject({ assets: [{ name: "a.bin" }] });
    expect((await api.ask("POST", path, { base: "/api/uploads", body: content })).status).toBe(422);
    expect((await api.ask("POST", `${R}/releases`, { body: { tag_name: "v2" } })).status).toBe(422);
    expect((await api.ask("POST", `${R}/releases`, { body: { tag_name: "-bad..name" } })).status).toBe(422);
    expect(api.writes.find(({ path }) => path.endsWith("/assets"))).toMatchObject({ body: "(4 bytes)" });
  });
});

describe("runs", () => {
  it("are the job's own, with its jobs as they are now", async () => {
    await using api = await serveApi();
    expect(await api.get(`${R}/actions/runs/77`)).toMatchObject({
      id: 77,
      name: "CI",
      run_number: 3,
      head_branch: "topic",
      status: "in_progress",
      conclusion: null,
      display_title: "Topic",
    });
    for (const path of ["runs/77/jobs", "runs/77/attempts/1/jobs"]) {
      expect(await api.get(`${R}/actions/${path}`)).toMatchObject({
        total_count: 1,
        jobs: [
          {
            name: "Build",
            status: "in_progress",
            started_at: "2026-11-22T11:59:01Z",
            steps: [{ name: "Test", number: 1, status: "queued" }],
          },
        ],
      });
    }
    expect((await api.ask("GET", `${R}/actions/runs/78`)).status).toBe(404);
    expect(await api.get(`${R}/actions/workflows/ci.yml`)).toMatchObject({
      path: ".github/workflows/ci.yml",
      name: "CI",
    });
    const dispatch = await api.ask("POST", `${R}/actions/workflows/ci.yml/dispatches`, { body: { ref: "main" } });
    expect(dispatch.status).toBe(204);
    expect((await api.ask("POST", `${R}/actions/workflows/no.yml/dispatches`, { body: { ref: "main" } })).status).toBe(
      404,
    );
    expect(
      (await api.ask("POST", `${R}/dispatches`, { body: { event_type: "go", client_payload: { a: 1 } } })).status,
    ).toBe(204);
    expect(api.writes).toHaveLength(2);
  });

  it("list artifacts and caches of this host, and redirect to an artifact's bytes", async () => {
    const artifact: Artifact = {
      id: 5,
      blob: "b",
      repository: "octo/repo",
      runId: "42",
      attempt: 1,
      name: "logs",
      mimeType: "application/zip",
      jobBackendId: "j",
      sizeBytes: 10,
      sha256: "ab",
      createdAtMs: NOW_MS,
      expiresAtMs: NOW_MS + 1,
    };
    const cache: CacheEntry = {
      id: 9,
      repository: "octo/repo",
      scope: "refs/heads/main",
      key: "npm-1",
      version: "v",
      blob: "b",
      sizeBytes: 3,
      createdAtMs: NOW_MS,
      usedAtMs: NOW_MS,
    };
    const removed: unknown[] = [];
    await using api = await serveApi({
      kept: {
        artifacts: async () => [artifact],
        artifactUrl: () => "http://elsewhere/blob?sig=x",
        removeArtifact: async ({ id }) => void removed.push(id),
        caches: async () => [cache],
        removeCaches: async (ids) => void removed.push(...ids),
      },
    });
    expect(await api.get(`${R}/actions/runs/42/artifacts?name=logs`)).toMatchObject({
      total_count: 1,
      artifacts: [{ id: 5, digest: "sha256:ab", workflow_run: { id: 42 } }],
    });
    expect(await api.get(`${R}/actions/runs/77/artifacts`)).toMatchObject({ total_count: 0 });
    const zip = await api.ask("GET", `${R}/actions/artifacts/5/zip`);
    expect([zip.status, zip.headers.get("location")]).toEqual([302, "http://elsewhere/blob?sig=x"]);
    expect((await api.ask("DELETE", `${R}/actions/artifacts/5`)).status).toBe(204);
    expect(await api.get(`${R}/actions/caches?key=npm`)).toMatchObject({
      total_count: 1,
      actions_caches: [{ id: 9, ref: "refs/heads/main" }],
    });
    expect((await api.ask("DELETE", `${R}/actions/caches?key=npm`)).status).toBe(404);
    expect((await api.ask("DELETE", `${R}/actions/caches?key=npm-1`)).status).toBe(200);
    expect(removed).toEqual([5, 9]);
  });
});
