/** The services on loopback as a job meets them, and requests as a client makes them, or as no client would. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import type { OutgoingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServices } from "./local-services.ts";
import { openIdentityKeys } from "./oidc-keys.ts";
import type { AttachedServices, JobServices, ServedJob } from "./services.ts";
import type { SecretsInUploads } from "./upload-check.ts";

export const GIB = 1024 ** 3;
export const DAY_MS = 24 * 3600_000;

/** A push to the default branch. */
export function someClaims(given: Partial<ServedJob> = {}): ServedJob {
  return {
    runId: "100",
    runNumber: 1,
    runAttempt: 1,
    job: "build",
    repository: { owner: "Acme", name: "Widget", id: "1", ownerId: "2", defaultBranch: "main" },
    event: "push",
    ref: "refs/heads/main",
    sha: "a".repeat(40),
    headRef: "",
    baseRef: "",
    actor: "alice",
    actorId: "3",
    workflow: { name: "CI", ref: "Acme/Widget/.github/workflows/ci.yml@refs/heads/main", sha: "a".repeat(40) },
    jobWorkflow: { ref: "Acme/Widget/.github/workflows/ci.yml@refs/heads/main", sha: "a".repeat(40) },
    environment: "",
    permissions: { contents: "read" },
    trusted: true,
    token: "ghs_hearth",
    lifetimeMs: 3600_000,
    startScan: () => () => false,
    ...given,
  };
}

/** Claims of a pull request from a branch of the same repository. */
export function somePullRequest(number: number, given: Partial<ServedJob> = {}): ServedJob {
  return someClaims({
    event: "pull_request",
    ref: `refs/pull/${number}/merge`,
    headRef: "topic",
    baseRef: "main",
    ...given,
  });
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  readonly text: string;
}

export interface Door extends AsyncDisposable {
  readonly stateDir: string;
  /** Moved by tests. */
  readonly clock: { ms: number };
  /** What the services said for the log of a step. */
  readonly lines: readonly string[];
  /** Another machine of the same host: its own key, the same state. */
  attach(): Promise<AttachedServices>;
}

/** Everything that was attached is disposed with it, and the state removed. */
export function openDoor(
  limits: { repositoryBytes?: number; ageMs?: number } = {},
  secretsInUploads?: SecretsInUploads,
): Door {
  const stateDir = mkdtempSync(join(tmpdir(), "hearth-services-"));
  const clock = { ms: Date.parse("2026-11-22T10:00:00Z") };
  const stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(stateDir, { recursive: true, force: true }));
  const lines: string[] = [];
  return {
    stateDir,
    clock,
    lines,
    async attach() {
      const keys = openIdentityKeys({ directory: join(stateDir, "oidc"), now: () => clock.ms });
      const settings = {
        caches: { repositoryBytes: 10 * GIB, ageMs: 7 * DAY_MS, ...limits },
        oidc: { keys, issuer: undefined },
        secretsInUploads,
      };
      const services = createServices({ lookup: () => undefined, kept: { stateDir, settings, now: () => clock.ms } });
      return stack.use(
        await services.attach({
          egress: undefined,
          network: { kind: "closed" },
          onDecision: () => undefined,
          onApi: (note) => void (note.kind === "line" && lines.push(note.text)),
        }),
      );
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A job's way to the services: `call` puts its token in front. */
export interface JobDoor {
  readonly services: JobServices;
  readonly origin: string;
  readonly token: string;
  twirp(method: string, message: object, token?: string): Promise<{ status: number; json: Record<string, unknown> }>;
}

export function asJob(attached: AttachedServices, claims: ServedJob): JobDoor {
  const services = attached.openJob(claims);
  const { ACTIONS_RESULTS_URL = "", ACTIONS_RUNTIME_TOKEN = "" } = services.actionVariables;
  const origin = ACTIONS_RESULTS_URL.replace(/\/$/, "");
  return {
    services,
    origin,
    token: ACTIONS_RUNTIME_TOKEN,
    async twirp(method, message, token = ACTIONS_RUNTIME_TOKEN) {
      const path = `${origin}/twirp/github.actions.results.api.v1.CacheService/${method}`;
      const reply = await ask(path, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(message),
      });
      return { status: reply.status, json: JSON.parse(reply.text) };
    },
  };
}

/** Reserves, uploads, finalizes. */
export async function saveCache(job: JobDoor, key: string, version: string, content: Buffer | string): Promise<void> {
  const created = await job.twirp("CreateCacheEntry", { key, version });
  const put = await putBlob(String(created.json["signed_upload_url"]), Buffer.from(content));
  if (put.status !== 201) throw new Error(`upload answered ${put.status}: ${put.text}`);
  const size_bytes = String(Buffer.byteLength(content));
  const done = await job.twirp("FinalizeCacheEntryUpload", { key, version, size_bytes });
  if (done.json["ok"] !== true) throw new Error(`finalize answered ${done.status}: ${JSON.stringify(done.json)}`);
}

/** The matched key and what was downloaded; undefined for a miss. */
export async function restoreCache(
  job: JobDoor,
  key: string,
  version: string,
  restore_keys: readonly string[] = [],
): Promise<{ key: string; content: string } | undefined> {
  const { status, json } = await job.twirp("GetCacheEntryDownloadURL", { key, version, restore_keys });
  if (status !== 200) throw new Error(`answered ${status}: ${JSON.stringify(json)}`);
  if (json["ok"] !== true) return undefined;
  const { text } = await ask(String(json["signed_download_url"]));
  return { key: String(json["matched_key"]), content: text };
}

export function putBlob(url: string, body: Buffer, headers: OutgoingHttpHeaders = {}): Promise<Reply> {
  return ask(url, { method: "PUT", body, headers: { "x-ms-blob-type": "BlockBlob", ...headers } });
}

export interface Ask {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer | string;
}

export async function ask(url: string, { method = "GET", headers = {}, body }: Ask = {}): Promise<Reply> {
  const { origin } = new URL(url);
  // The path as it was given: `URL` would take `..` and the like away.
  const outgoing = request(origin, {
    path: url.slice(origin.length) || "/",
    method,
    headers: {
      ...(body === undefined || headers["transfer-encoding"] ? {} : { "content-length": Buffer.byteLength(body) }),
      ...headers,
    },
  });
  // After an answer that did not wait for the whole body, what becomes of the rest is nobody's trouble.
  outgoing.on("error", () => undefined);
  outgoing.end(body);
  const [response] = await once(outgoing, "response");
  const chunks: Buffer[] = await response.toArray();
  const bytes = Buffer.concat(chunks);
  return { status: response.statusCode, headers: response.headers, body: bytes, text: bytes.toString("utf8") };
}

/** Bytes on a socket, and everything that comes back until it is closed. */
export async function askRaw(origin: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  socket.end(bytes);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}
