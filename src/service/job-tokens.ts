/**
 * The tokens of the jobs in one machine. Their key is made with the machine and known to nobody else, so a token of another run or
 * machine is as good as none, and one of a job that has ended opens nothing (SECURITY-RELIABILITY A20, A26). A token only names
 * its job: what the job is and may do is read from the claims that the engine gave, never from the request.
 * Source: ACTIONS-CONTRACT §5.1 (what clients read out of the token), RFC 7519.
 */
import { createHash, createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { cacheScopes } from "./cache-scopes.ts";
import type { JobClaims, SecretScan, ServedJob } from "./services.ts";

/** A job whose tokens are valid now. */
export interface Caller {
  readonly claims: JobClaims;
  readonly startScan: () => SecretScan;
  /** UUID; the same for all jobs and attempts of a run. */
  readonly runBackendId: string;
  /** UUID. */
  readonly jobBackendId: string;
  /** This opening of the services to the job: unlike the other two, never seen again. */
  readonly id: string;
  readonly expiresAtMs: number;
}

/** What of a request is looked at. */
export interface Bearer {
  readonly headers: { readonly authorization?: string | undefined };
}

/** `runtime`: caches, artifacts. `id-token`: asking for an identity, and nothing else. */
export type TokenUse = "runtime" | "id-token";

export interface JobTokens {
  open(job: ServedJob): OpenedJob;
  /** The job whose token of this use the request bears, else undefined: answer 401. */
  callerOf(request: Bearer, use: TokenUse): Caller | undefined;
  /** The job whose `github.token` the request bears. Where the operator gave one, jobs share it: then the one that was opened last. */
  callerOfGithubToken(request: Bearer): Caller | undefined;
  /** By `Caller.id`, while its tokens are valid. */
  find(id: string): Caller | undefined;
}

export interface OpenedJob {
  readonly caller: Caller;
  readonly runtimeToken: string;
  readonly idToken: string;
  close(): void;
}

/** Clocks in machines may be behind; BuildKit reads `nbf` and `exp` by the machine's own. */
const CLOCK_SKEW_S = 300;
const MAX_TOKEN_CHARS = 16 << 10;
const ISSUER = "hearth";

/** `now` is the wall clock in ms. */
export function createJobTokens(now: () => number): JobTokens {
  const key = randomBytes(32);
  const jobs = new Map<string, Caller>();
  const alive = (caller: Caller | undefined): Caller | undefined =>
    caller !== undefined && now() < caller.expiresAtMs ? caller : undefined;
  return {
    open({ startScan, ...claims }) {
      const { runId, repository, job, runAttempt } = claims;
      const caller: Caller = {
        claims,
        startScan,
        runBackendId: nameUuid(repository.id, runId),
        jobBackendId: nameUuid(repository.id, runId, String(runAttempt), job),
        id: randomUUID(),
        expiresAtMs: now() + claims.lifetimeMs,
      };
      jobs.set(caller.id, caller);
      const issuedAtS = Math.floor(now() / 1000);
      const common = {
        iss: ISSUER,
        jti: caller.id,
        iat: issuedAtS,
        nbf: issuedAtS - CLOCK_SKEW_S,
        exp: Math.floor(caller.expiresAtMs / 1000),
      };
      return {
        caller,
        runtimeToken: sign(key, {
          ...common,
          aud: "runtime" satisfies TokenUse,
          scp: `Actions.Results:${caller.runBackendId}:${caller.jobBackendId}`,
          ac: JSON.stringify(accessOf(claims)),
          repository_id: repository.id,
          run_id: runId,
          run_number: String(claims.runNumber),
          orch_id: `${caller.runBackendId}.${caller.jobBackendId}`,
        }),
        idToken: sign(key, { ...common, aud: "id-token" satisfies TokenUse }),
        close: () => void jobs.delete(caller.id),
      };
    },
    callerOf(request, use) {
      const token = /^bearer +(?<token>[\w.-]+)$/i.exec(request.headers.authorization ?? "")?.groups?.["token"];
      const payload = token === undefined ? undefined : verify(key, token);
      if (payload === undefined || payload["aud"] !== use) return undefined;
      return alive(jobs.get(String(payload["jti"])));
    },
    callerOfGithubToken(request) {
      const token = githubTokenOf(request.headers.authorization ?? "");
      if (token === undefined) return undefined;
      return alive([...jobs.values()].findLast(({ claims }) => isSame(claims.token, token)));
    },
    find: (id) => alive(jobs.get(id)),
  };
}

/** What BuildKit looks at to choose where it writes: 1 is reading, 2 writing. */
function accessOf(claims: JobClaims): readonly { readonly Scope: string; readonly Permission: number }[] {
  const { readable, writable } = cacheScopes(claims);
  return readable.map((scope) => ({ Scope: scope, Permission: scope === writable ? 3 : 1 }));
}

/** The same names have the same UUID (version 8: our own way of making it; RFC 9562 §5.8). */
function nameUuid(...names: readonly string[]): string {
  const hex = createHash("sha256").update(JSON.stringify(names)).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

function sign(key: Buffer, payload: object): string {
  const text = [{ typ: "JWT", alg: "HS256" }, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
}

/** The header is not read: there is one way to sign here, whatever a token says of itself. */
function verify(key: Buffer, token: string): Readonly<Record<string, unknown>> | undefined {
  const [header, payload, signature, ...rest] = token.slice(0, MAX_TOKEN_CHARS).split(".");
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) return undefined;
  if (!isSame(createHmac("sha256", key).update(`${header}.${payload}`).digest("base64url"), signature))
    return undefined;
  // What we signed is what we wrote.
  const claims: Readonly<Record<string, unknown>> = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  return claims;
}

/** As `gh`, octokit and git send it. */
function githubTokenOf(authorization: string): string | undefined {
  const { scheme, value } = /^(?<scheme>bearer|token|basic) +(?<value>\S+)$/i.exec(authorization)?.groups ?? {};
  if (scheme === undefined || value === undefined || value.length > MAX_TOKEN_CHARS) return undefined;
  if (scheme.toLowerCase() !== "basic") return value;
  const pair = Buffer.from(value, "base64").toString("utf8");
  return pair.slice(pair.indexOf(":") + 1);
}

/** Takes as long for any two texts of the same length. */
function isSame(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
