/** Artifacts at the HTTP door, and what a job of one run may do to another's (ACTIONS-CONTRACT §5.5, SECURITY-RELIABILITY A17, A20). */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listArtifacts, removeArtifactsOfRun, saveArtifact } from "./kept-artifacts.ts";
import { DAY_MS, ask, asJob, openDoor, putBlob, someClaims } from "./service-door.fixture.ts";
import type { Door, JobDoor } from "./service-door.fixture.ts";
import type { AttachedServices } from "./services.ts";
import { CreateArtifactRequest, CreateArtifactResponse } from "./twirp-artifact-messages.ts";

let door: Door;
let machine: AttachedServices;
let job: JobDoor;

beforeEach(async () => {
  door = openDoor();
  machine = await door.attach();
  job = asJob(machine, someClaims());
});
afterEach(() => door[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

const SERVICE = "twirp/github.actions.results.api.v1.ArtifactService";

/** As the client does, with the ids that it reads out of its token. */
async function call(from: JobDoor, method: string, message: object = {}, token = from.token): Promise<Answer> {
  const [, payload = ""] = from.token.split(".");
  const { scp = "" }: { scp?: string } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  const [, workflow_run_backend_id, workflow_job_run_backend_id] = scp.split(":");
  const reply = await ask(`${from.origin}/${SERVICE}/${method}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ workflow_run_backend_id, workflow_job_run_backend_id, ...message }),
  });
  return { status: reply.status, json: JSON.parse(reply.text) };
}

function digestOf(content: string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

async function begin(from: JobDoor, name: string, more: object = {}): Promise<string> {
  const { status, json } = await call(from, "CreateArtifact", { name, version: 7, ...more });
  expect(status).toBe(200);
  return String(json["signed_upload_url"]);
}

async function finish(from: JobDoor, name: string, content: string): Promise<Answer> {
  return call(from, "FinalizeArtifact", { name, size: String(Buffer.byteLength(content)), hash: digestOf(content) });
}

async function upload(from: JobDoor, name: string, content: string, more: object = {}): Promise<string> {
  expect((await putBlob(await begin(from, name, more), Buffer.from(content))).status).toBe(201);
  const { status, json } = await finish(from, name, content);
  expect({ status, ok: json["ok"] }).toEqual({ status: 200, ok: true });
  return String(json["artifact_id"]);
}

async function names(from: JobDoor, filter: object = {}): Promise<unknown[]> {
  const { json } = await call(from, "ListArtifacts", filter);
  const artifacts: unknown = json["artifacts"] ?? [];
  return Array.isArray(artifacts) ? artifacts.map(({ name }) => name) : [];
}

function blobsKept(): number {
  const directory = join(door.stateDir, "blobs", "artifacts");
  return existsSync(directory) ? readdirSync(directory).length : 0;
}

describe("the artifact service", () => {
  it("gives every job of the run what one of them uploaded, as it was said", async () => {
    const id = await upload(job, "report", "content", { mime_type: "text/html" });
    const other = asJob(await door.attach(), someClaims({ job: "deploy" }));
    const { json } = await call(other, "ListArtifacts");
    expect(json["artifacts"]).toMatchObject([
      {
        database_id: id,
        name: "report",
        size: "7",
        digest: digestOf("content"),
        created_at: "2026-11-22T10:00:00.000Z",
      },
    ]);
    const url = String((await call(other, "GetSignedArtifactURL", { name: "report" })).json["signed_url"]);
    const { status, text, headers } = await ask(url);
    expect({ status, text }).toEqual({ status: 200, text: "content" });
    expect(headers).toMatchObject({ "content-type": "text/html" });
    expect(headers["content-disposition"]).toBe(`attachment; filename="report"; filename*=UTF-8''report`);
  });

  it("takes what comes without a type for an archive, and names it so, in any script", async () => {
    await upload(job, "ünï '☃", "zip", { version: 4 });
    const url = String((await call(job, "GetSignedArtifactURL", { name: "ünï '☃" })).json["signed_url"]);
    const { headers } = await ask(url);
    expect(headers).toMatchObject({ "content-type": "application/zip" });
    expect(headers["content-disposition"]).toBe(
      `attachment; filename="_n_ '_.zip"; filename*=UTF-8''%C3%BCn%C3%AF%20%27%E2%98%83.zip`,
    );
  });

  it("filters by name and by id, as text and as a number", async () => {
    await upload(job, "a", "1");
    const id = await upload(job, "b", "2");
    expect(await names(job)).toEqual(["a", "b"]);
    expect(await names(job, { name_filter: "b" })).toEqual(["b"]);
    expect(await names(job, { idFilter: id })).toEqual(["b"]);
    expect(await names(job, { id_filter: Number(id) })).toEqual(["b"]);
    expect(await names(job, { name_filter: "" })).toEqual([]);
  });

  it("shows nothing that is not finished, and finishes nothing that is not whole", async () => {
    const url = await begin(job, "a");
    expect(await finish(job, "a", "12")).toMatchObject({
      status: 412,
      json: { msg: "nothing of 2 bytes were uploaded" },
    });
    await putBlob(url, Buffer.from("12"));
    expect(await names(job)).toEqual([]);
    expect(await call(job, "GetSignedArtifactURL", { name: "a" })).toMatchObject({ status: 404 });
    expect(await call(job, "FinalizeArtifact", { name: "a", size: 3 })).toMatchObject({ status: 412 });
    const wrong = await call(job, "FinalizeArtifact", { name: "a", size: 2, hash: digestOf("21") });
    expect(wrong).toMatchObject({
      status: 412,
      json: { code: "failed_precondition", msg: expect.stringContaining("sha256") },
    });
    expect({ names: await names(job), blobs: blobsKept() }).toEqual({ names: [], blobs: 0 });
    // The name is free again.
    await upload(job, "a", "12");
    expect(await names(job)).toEqual(["a"]);
  });

  it("has one artifact of a name, while it is made and after, and says so again when an answer got lost", async () => {
    const url = await begin(job, "a");
    const other = asJob(machine, someClaims({ job: "other" }));
    const taken = { status: 409, json: { code: "already_exists", msg: expect.stringContaining("already exists") } };
    expect(await call(other, "CreateArtifact", { name: "a" })).toEqual(taken);
    expect(await finish(other, "a", "x")).toMatchObject({ status: 404 });
    await putBlob(url, Buffer.from("x"));
    const first = await finish(job, "a", "x");
    expect(await finish(job, "a", "x")).toEqual(first);
    expect(await finish(job, "a", "y")).toMatchObject({ status: 404 });
    expect(await finish(other, "a", "x")).toMatchObject({ status: 404 });
    expect(await call(job, "CreateArtifact", { name: "a" })).toEqual(taken);
    expect((await putBlob(url, Buffer.from("y"))).status).toBe(409);
  });

  it("replaces by deleting first, under an id that was never used", async () => {
    const id = await upload(job, "a", "old");
    expect(await call(job, "DeleteArtifact", { name: "a" })).toEqual({
      status: 200,
      json: { ok: true, artifact_id: id },
    });
    expect(await call(job, "DeleteArtifact", { name: "a" })).toMatchObject({ status: 404 });
    expect(blobsKept()).toBe(0);
    expect(Number(await upload(job, "a", "new"))).toBeGreaterThan(Number(id));
  });

  it("lets a later attempt use a name again, and find what earlier ones left", async () => {
    await upload(job, "a", "first");
    await upload(job, "only first", "x");
    const later = asJob(await door.attach(), someClaims({ runAttempt: 2 }));
    await upload(later, "a", "second");
    expect(await names(later)).toEqual(["a", "only first", "a"]);
    const url = String((await call(later, "GetSignedArtifactURL", { name: "a" })).json["signed_url"]);
    expect((await ask(url)).text).toBe("second");
  });

  it("speaks binary protobuf too", async () => {
    const [, payload = ""] = job.token.split(".");
    const { scp = "" }: { scp?: string } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    const [, workflowRunBackendId = "", workflowJobRunBackendId = ""] = scp.split(":");
    const message = {
      workflowRunBackendId,
      workflowJobRunBackendId,
      name: "a",
      version: 7,
      expiresAt: undefined,
      mimeType: undefined,
    };
    const headers = { authorization: `Bearer ${job.token}`, "content-type": "application/protobuf" };
    const post = { method: "POST", headers, body: CreateArtifactRequest.toBinary(message) };
    const { status, body, headers: answered } = await ask(`${job.origin}/${SERVICE}/CreateArtifact`, post);
    expect({ status, type: answered["content-type"] }).toEqual({ status: 200, type: "application/protobuf" });
    const { ok, signedUploadUrl } = CreateArtifactResponse.fromBinary(body);
    expect(ok).toBe(true);
    expect((await putBlob(signedUploadUrl, Buffer.from("x"))).status).toBe(201);
    const again = await ask(`${job.origin}/${SERVICE}/CreateArtifact`, post);
    expect({ status: again.status, type: again.headers["content-type"] }).toEqual({
      status: 409,
      type: "application/json",
    });
    const broken = await ask(`${job.origin}/${SERVICE}/CreateArtifact`, { ...post, body: Buffer.from([0xff]) });
    expect({ status: broken.status, code: JSON.parse(broken.text).code }).toEqual({ status: 400, code: "malformed" });
  });
});

describe("what one job may do to others", () => {
  it("nothing without a token, with an identity's, or after its end (A20, A26)", async () => {
    const identity = asJob(machine, someClaims({ permissions: { "id-token": "write" } }));
    const idToken = identity.services.stepVariables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
    await upload(job, "a", "x");
    const url = String((await call(job, "GetSignedArtifactURL", { name: "a" })).json["signed_url"]);
    const open = await begin(job, "b");
    const refused = { status: 401, json: { code: "unauthenticated" } };
    for (const token of ["", "x.y.z", job.token.slice(0, -2), idToken]) {
      expect(await call(job, "ListArtifacts", {}, token)).toMatchObject(refused);
    }
    job.services[Symbol.dispose]();
    for (const method of [
      "CreateArtifact",
      "FinalizeArtifact",
      "ListArtifacts",
      "GetSignedArtifactURL",
      "DeleteArtifact",
    ]) {
      expect(await call(job, method, { name: "a" })).toMatchObject(refused);
    }
    expect([(await ask(url)).status, (await putBlob(open, Buffer.from("y"))).status]).toEqual([403, 403]);
    const next = asJob(machine, someClaims({ job: "next" }));
    await upload(next, "b", "what was left unfinished does not stand in its way");
  });

  it("nothing to another run's, whatever it says of itself (A17)", async () => {
    await upload(job, "a", "x");
    const [, payload = ""] = job.token.split(".");
    const { scp = "" }: { scp?: string } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    const ids = { workflow_run_backend_id: scp.split(":")[1], workflow_job_run_backend_id: scp.split(":")[2] };
    const others = [
      asJob(machine, someClaims({ runId: "101" })),
      asJob(machine, someClaims({ repository: { ...someClaims().repository, name: "Gadget", id: "9" } })),
    ];
    for (const other of others) {
      expect(await names(other)).toEqual([]);
      for (const method of [
        "CreateArtifact",
        "FinalizeArtifact",
        "ListArtifacts",
        "GetSignedArtifactURL",
        "DeleteArtifact",
      ]) {
        expect(await call(other, method, { name: "a", size: "1", ...ids })).toMatchObject({ status: 404 });
      }
      expect(await call(other, "DeleteArtifact", { name: "a" })).toMatchObject({ status: 404 });
    }
    expect(await names(job)).toEqual(["a"]);
  });

  const badNames = [
    "",
    ".",
    "..",
    "a/b",
    "../../x",
    "a\\b",
    "C:x",
    "x\0",
    "a\nb",
    "a\rb",
    'a"',
    "a<",
    "a>",
    "a|",
    "a*",
    "a?",
    "\u001b[2J",
    "n".repeat(257),
    "n".repeat(4096),
    "\ud800",
  ];
  it.each(badNames.map((name) => [name.slice(0, 20), name]))("nothing by the name %j (A17)", async (_, name) => {
    expect(await call(job, "CreateArtifact", { name })).toMatchObject({
      status: 400,
      json: { code: "invalid_argument" },
    });
    for (const method of ["FinalizeArtifact", "GetSignedArtifactURL", "DeleteArtifact"]) {
      expect(await call(job, method, { name, size: "1" })).toMatchObject({ status: 404 });
    }
    expect(existsSync(join(door.stateDir, "blobs"))).toBe(false);
  });

  it("keeps names that look like paths as data (A17)", async () => {
    const odd = ["%2e%2e%2fx", "-rf", "$(touch x)", "a' OR 1=1 --", ".git"];
    for (const name of odd) await upload(job, name, name);
    expect(await names(job)).toEqual(odd);
    expect(readdirSync(join(door.stateDir, "blobs", "artifacts")).every((entry) => /^[0-9a-f-]{36}$/.test(entry))).toBe(
      true,
    );
  });

  it("has bounds: 500 artifacts a job, 64 KiB a message, types that are types", async () => {
    await upload(job, "first", "x");
    using database = new DatabaseSync(join(door.stateDir, "artifacts.db"));
    database.exec(`WITH RECURSIVE n(i) AS (SELECT 2 UNION SELECT i + 1 FROM n WHERE i < 500)
      INSERT INTO artifact (repository, run_id, attempt, name, mime_type, blob, owner, job_backend_id, created_at_ms, expires_at_ms)
      SELECT repository, run_id, attempt, 'n' || i, mime_type, 'b' || i, owner, job_backend_id, created_at_ms, expires_at_ms FROM artifact, n`);
    expect(await call(job, "CreateArtifact", { name: "one more" })).toMatchObject({ status: 412 });
    expect(await call(job, "CreateArtifact", { name: "x", padding: "x".repeat(70_000) })).toMatchObject({
      status: 400,
    });
    for (const mime_type of ["", "text", "text/html\r\nX: y", `a/${"b".repeat(64)}`]) {
      expect(
        await call(asJob(machine, someClaims({ job: "j2" })), "CreateArtifact", { name: "x", mime_type }),
      ).toMatchObject({ status: 400 });
    }
  });
});

describe("how long artifacts are kept", () => {
  it("as long as was asked, ninety days at most, and no longer than their run", async () => {
    await upload(job, "day", "1", { expires_at: "2026-11-23T10:00:00Z" });
    await upload(job, "ever", "2", { expires_at: "2036-11-23T10:00:00Z" });
    expect(blobsKept()).toBe(2);
    door.clock.ms += DAY_MS;
    const next = asJob(await door.attach(), someClaims({ lifetimeMs: 365 * DAY_MS }));
    expect(await names(next)).toEqual(["ever"]);
    expect(blobsKept()).toBe(1);
    const options = { stateDir: door.stateDir, now: () => door.clock.ms };
    expect((await listArtifacts(options, "100"))[0]?.expiresAtMs).toBe(door.clock.ms + 89 * DAY_MS);
    await removeArtifactsOfRun(options, "101");
    expect(blobsKept()).toBe(1);
    await removeArtifactsOfRun(options, "100");
    expect({ names: await names(next), blobs: blobsKept() }).toEqual({ names: [], blobs: 0 });
  });

  it("saves them for the person at the command line, checked", async () => {
    const id = Number(await upload(job, "raw.txt", "content", { mime_type: "text/plain" }));
    const broken = Number(await upload(job, "not a zip", "content"));
    const options = { stateDir: door.stateDir, now: () => door.clock.ms };
    const scratch = mkdtempSync(join(door.stateDir, "out-"));
    await saveArtifact(options, id, join(scratch, "new", "deep"));
    expect(readdirSync(join(scratch, "new", "deep"))).toEqual(["raw.txt"]);
    await expect(saveArtifact(options, id, join(scratch, "new"))).rejects.toMatchObject({ code: "BAD_USAGE" });
    await expect(saveArtifact(options, broken, join(scratch, "zip"))).rejects.toMatchObject({
      code: "ARCHIVE_REFUSED",
    });
    rmSync(join(door.stateDir, "blobs"), { recursive: true });
    await expect(saveArtifact(options, id, join(scratch, "gone"))).rejects.toMatchObject({ code: "STATE_UNREADABLE" });
    expect(readdirSync(scratch)).toEqual(["new"]);
  });

  it("in files that nobody else can read (A38)", async () => {
    const old = process.umask(0);
    try {
      await upload(job, "a", "x");
    } finally {
      process.umask(old);
    }
    const files = readdirSync(door.stateDir).filter((name) => name.startsWith("artifacts.db"));
    expect(files).toContain("artifacts.db");
    for (const file of files) expect(statSync(join(door.stateDir, file)).mode & 0o077).toBe(0);
  });

  it("makes nothing where no job has uploaded anything", async () => {
    const options = { stateDir: door.stateDir, now: () => door.clock.ms };
    expect(await listArtifacts(options, "100")).toEqual([]);
    await removeArtifactsOfRun(options, "100");
    expect(existsSync(join(door.stateDir, "artifacts.db"))).toBe(false);
  });
});
