/** Identity tokens at the HTTP door: who gets one, what it says, and that it can be checked (ACTIONS-CONTRACT §5.7). */
import { createPublicKey, verify } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identityClaims } from "./oidc-claims.ts";
import { openIdentityKeys } from "./oidc-keys.ts";
import type { IdentityKeys } from "./oidc-keys.ts";
import { DAY_MS, ask, asJob, openDoor, someClaims } from "./service-door.fixture.ts";
import type { Door, Reply } from "./service-door.fixture.ts";
import type { AttachedServices, JobClaims } from "./services.ts";

let door: Door;
let machine: AttachedServices;

beforeEach(async () => {
  door = openDoor();
  machine = await door.attach();
});
afterEach(() => door[Symbol.asyncDispose]());

const MAY = { permissions: { "id-token": "write" } } as const;

interface Identity {
  readonly origin: string;
  readonly ask: (query: string, token?: string) => Promise<Reply>;
}

function identityOf(claims: Partial<JobClaims>): Identity {
  const { origin, services } = asJob(machine, someClaims(claims));
  const { ACTIONS_ID_TOKEN_REQUEST_URL = `${origin}/idtoken?api-version=2.0`, ACTIONS_ID_TOKEN_REQUEST_TOKEN = "" } =
    services.stepVariables;
  return {
    origin,
    ask: (query, token = ACTIONS_ID_TOKEN_REQUEST_TOKEN) =>
      ask(`${ACTIONS_ID_TOKEN_REQUEST_URL}${query}`, { headers: { authorization: `Bearer ${token}` } }),
  };
}

function parts(token: string): [Record<string, unknown>, Record<string, unknown>, Buffer, Buffer] {
  const [header = "", payload = "", signature = ""] = token.split(".");
  return [
    readPart(header),
    readPart(payload),
    Buffer.from(`${header}.${payload}`),
    Buffer.from(signature, "base64url"),
  ];
}

function readPart(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
}

function subject(claims: Partial<JobClaims>): unknown {
  return identityClaims(someClaims(claims), { issuer: "i", audience: undefined, tokenId: "t", issuedAtS: 1 })["sub"];
}

function keys(): IdentityKeys {
  return openIdentityKeys({ directory: join(door.stateDir, "oidc"), now: () => door.clock.ms });
}

async function publishedKeys(origin: string): Promise<readonly Record<string, string>[]> {
  return JSON.parse((await ask(`${origin}/.well-known/jwks`)).text).keys;
}

describe("identity tokens", () => {
  it("can be checked with nothing but what the issuer publishes", async () => {
    const { origin, ask: get } = identityOf(MAY);
    const { status, text } = await get("&audience=sts.example%2Fa");
    expect(status).toBe(200);
    const [header, claims, signed, signature] = parts(JSON.parse(text).value);
    const issuer = JSON.parse((await ask(`${origin}/.well-known/openid-configuration`)).text);
    expect(issuer).toMatchObject({
      issuer: origin,
      jwks_uri: `${origin}/.well-known/jwks`,
      id_token_signing_alg_values_supported: ["RS256"],
    });
    const key = (await publishedKeys(origin)).find(({ kid }) => kid === header["kid"]);
    expect(key).toMatchObject({ kty: "RSA", alg: "RS256", use: "sig" });
    expect(Object.keys(key ?? {}).toSorted()).toEqual(["alg", "e", "kid", "kty", "n", "use"]);
    expect(verify("RSA-SHA256", signed, createPublicKey({ key: { ...key }, format: "jwk" }), signature)).toBe(true);
    expect(header).toMatchObject({ typ: "JWT", alg: "RS256" });
    const nowS = door.clock.ms / 1000;
    expect(claims).toMatchObject({
      iss: origin,
      aud: "sts.example/a",
      sub: "repo:Acme/Widget:ref:refs/heads/main",
      iat: nowS,
      exp: nowS + 300,
    });
  });

  it("are for the owner's address where no audience is named", async () => {
    const [, claims] = parts(JSON.parse((await identityOf(MAY).ask("")).text).value);
    expect(claims["aud"]).toBe("https://github.com/Acme");
  });

  it("are only for jobs that may have them, while they run", async () => {
    const other = asJob(machine, someClaims(MAY));
    const without = identityOf({ permissions: { contents: "write" } });
    expect((await without.ask("")).status).toBe(401);
    expect((await without.ask("", other.services.stepVariables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])).status).toBe(200);
    expect((await without.ask("", other.token)).status).toBe(401);
    // A stranger's pull request, should it ever be given the permission.
    expect((await identityOf({ ...MAY, trusted: false }).ask("")).status).toBe(403);
    other.services[Symbol.dispose]();
    expect((await without.ask("", other.services.stepVariables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])).status).toBe(401);
  });

  it("are not made for audiences that no header should carry", async () => {
    const { ask: get, origin } = identityOf(MAY);
    expect((await get(`&audience=${"x".repeat(1025)}`)).status).toBe(400);
    expect((await get("&audience=a%0d%0ab")).status).toBe(400);
    expect((await ask(`${origin}/idtoken`, { method: "POST" })).status).toBe(405);
  });
});

describe("what they say", () => {
  it.each([
    ["repo:Acme/Widget:environment:prod", { environment: "prod", event: "pull_request" }],
    ["repo:Acme/Widget:pull_request", { event: "pull_request", ref: "refs/pull/1/merge" }],
    ["repo:Acme/Widget:ref:refs/tags/v1", { ref: "refs/tags/v1" }],
    // A name must not pass for something that it is not.
    ["repo:Acme/Widget:environment:a%3Aref%3Arefs/heads/main", { environment: "a:ref:refs/heads/main" }],
  ])("as their subject: %s", (expected, claims) => {
    expect(subject(claims)).toBe(expected);
  });

  it("of the job that asks, and of the file that it stands in", () => {
    const jobWorkflow = { ref: "o/shared/.github/workflows/x.yml@v1", sha: "b".repeat(40) };
    const claims = identityClaims(someClaims({ jobWorkflow, environment: "prod" }), {
      issuer: "i",
      audience: "a",
      tokenId: "t",
      issuedAtS: 1,
    });
    expect(claims).toMatchObject({
      environment: "prod",
      job_workflow_ref: jobWorkflow.ref,
      job_workflow_sha: jobWorkflow.sha,
      workflow_ref: someClaims().workflow.ref,
      run_id: "100",
      runner_environment: "self-hosted",
    });
  });
});

describe("the keys", () => {
  it("are kept for this user alone, and are the same for every machine", async () => {
    const [first] = await keys().publicKeys();
    const directory = join(door.stateDir, "oidc");
    const [file = ""] = readdirSync(directory);
    expect([statSync(directory).mode & 0o777, statSync(join(directory, file)).mode & 0o777]).toEqual([0o700, 0o600]);
    const { origin } = asJob(await door.attach(), someClaims());
    expect(await publishedKeys(origin)).toEqual([first]);
  });

  it("are replaced without making what was signed before unbelievable", async () => {
    const [first] = await keys().publicKeys();
    door.clock.ms += 30 * DAY_MS;
    await keys().rotate();
    const rotated = await keys().publicKeys();
    expect(rotated.map(({ kid }) => kid)).toEqual([expect.any(String), first?.kid]);
    const [header] = parts(await keys().sign({}));
    expect(header["kid"]).toBe(rotated[0]?.kid);
    // The first was replaced thirty days after it was made, but only now.
    door.clock.ms += 6 * DAY_MS;
    await keys().rotate();
    expect(await keys().publicKeys()).toHaveLength(3);
    door.clock.ms += 2 * DAY_MS;
    await keys().rotate();
    expect((await keys().publicKeys()).map(({ kid }) => kid)).not.toContain(first?.kid);
  });

  it("may be made by many at once", async () => {
    await Promise.all(Array.from({ length: 4 }, () => keys().rotate()));
    const kids = (await keys().publicKeys()).map(({ kid }) => kid);
    expect(new Set(kids).size).toBe(4);
  });
});
