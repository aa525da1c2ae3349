import { createHmac } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createJobTokens } from "./job-tokens.ts";
import type { Bearer, JobTokens, TokenUse } from "./job-tokens.ts";
import { someClaims, somePullRequest } from "./service-door.fixture.ts";

const START_MS = Date.parse("2026-11-22T10:00:00Z");

function setUp(): { tokens: JobTokens; clock: { ms: number } } {
  const clock = { ms: START_MS };
  return { clock, tokens: createJobTokens(() => clock.ms) };
}

function bearing(authorization: string): Bearer {
  return { headers: { authorization } };
}

function callerOf(tokens: JobTokens, token: string, use: TokenUse = "runtime") {
  return tokens.callerOf(bearing(`Bearer ${token}`), use);
}

function payloadOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

describe("the runtime token", () => {
  it("says what clients read out of it", () => {
    const { tokens } = setUp();
    const { runtimeToken, caller } = tokens.open(somePullRequest(7));
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/;
    expect(caller.runBackendId).toMatch(uuid);
    expect(caller.jobBackendId).toMatch(uuid);
    const payload = payloadOf(runtimeToken);
    expect(payload).toMatchObject({
      scp: `Actions.Results:${caller.runBackendId}:${caller.jobBackendId}`,
      exp: START_MS / 1000 + 3600,
      iat: START_MS / 1000,
      repository_id: "1",
      run_id: "100",
    });
    expect(payload["nbf"]).toBeLessThan(START_MS / 1000);
    expect(JSON.parse(String(payload["ac"]))).toEqual([
      { Scope: "refs/pull/7/merge", Permission: 3 },
      { Scope: "refs/heads/main", Permission: 1 },
    ]);
  });

  it("gives all jobs and attempts of a run one run id, and each its own job id", () => {
    const { tokens } = setUp();
    const [a, b, again, other] = [
      { job: "a" },
      { job: "b" },
      { job: "a", runAttempt: 2 },
      { job: "a", runId: "101" },
    ].map((given) => tokens.open(someClaims(given)).caller);
    expect(new Set([a, b, again].map((caller) => caller?.runBackendId)).size).toBe(1);
    expect(other?.runBackendId).not.toBe(a?.runBackendId);
    expect(new Set([a, b, again, other].map((caller) => caller?.jobBackendId)).size).toBe(4);
  });

  it("names its job, and not another that is open", () => {
    const { tokens } = setUp();
    const [a, b] = ["a", "b"].map((job) => tokens.open(someClaims({ job })));
    expect(callerOf(tokens, a?.runtimeToken ?? "")).toBe(a?.caller);
    expect(callerOf(tokens, b?.runtimeToken ?? "")).toBe(b?.caller);
  });

  it("opens nothing once its job has ended, or its time is up", () => {
    const { tokens, clock } = setUp();
    const ended = tokens.open(someClaims());
    const late = tokens.open(someClaims());
    ended.close();
    expect(callerOf(tokens, ended.runtimeToken)).toBeUndefined();
    expect(tokens.find(ended.caller.id)).toBeUndefined();
    clock.ms += 3600_000;
    expect(callerOf(tokens, late.runtimeToken)).toBeUndefined();
    expect(tokens.find(late.caller.id)).toBeUndefined();
  });

  it("is worth nothing in another machine", () => {
    const claims = someClaims();
    const foreign = setUp().tokens.open(claims);
    const { tokens } = setUp();
    tokens.open(claims);
    expect(callerOf(tokens, foreign.runtimeToken)).toBeUndefined();
  });

  it("is worth nothing when any of its characters was changed", () => {
    const { tokens } = setUp();
    const { runtimeToken } = tokens.open(someClaims());
    fc.assert(
      fc.property(
        fc.nat(runtimeToken.length - 1),
        fc.constantFrom("A", "Z", "a", "9", "-", "_", "."),
        (at, character) => {
          const changed = `${runtimeToken.slice(0, at)}${character}${runtimeToken.slice(at + 1)}`;
          // The last character of a base64 text holds bits that count for nothing, and is compared as text all the same.
          expect(callerOf(tokens, changed) === undefined).toBe(changed !== runtimeToken);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    { attack: "no signature", make: (header: string, payload: string) => `${header}.${payload}.` },
    {
      attack: "alg none",
      make: (_: string, payload: string) => `${encode({ typ: "JWT", alg: "none" })}.${payload}.`,
    },
    {
      attack: "an empty key",
      make: (header: string, payload: string) =>
        `${header}.${payload}.${createHmac("sha256", "").update(`${header}.${payload}`).digest("base64url")}`,
    },
    {
      attack: "four parts",
      make: (header: string, payload: string, signature: string) => `${header}.${payload}.${signature}.x`,
    },
    { attack: "nothing", make: () => "" },
    { attack: "a megabyte", make: () => `${"a.".repeat(500_000)}a` },
  ])("is not taken with $attack", ({ make }) => {
    const { tokens } = setUp();
    const [header = "", payload = "", signature = ""] = tokens.open(someClaims()).runtimeToken.split(".");
    expect(callerOf(tokens, make(header, payload, signature))).toBeUndefined();
  });

  it("is taken as a bearer only", () => {
    const { tokens } = setUp();
    const { runtimeToken, caller } = tokens.open(someClaims());
    expect(tokens.callerOf(bearing(`bearer ${runtimeToken}`), "runtime")).toBe(caller);
    for (const authorization of ["", runtimeToken, `Basic ${runtimeToken}`, `token ${runtimeToken}`])
      expect(tokens.callerOf(bearing(authorization), "runtime")).toBeUndefined();
  });
});

describe("the token for asking for an identity", () => {
  it("is for nothing else, and nothing else is for that", () => {
    const { tokens } = setUp();
    const { idToken, runtimeToken, caller } = tokens.open(someClaims());
    expect(callerOf(tokens, idToken, "id-token")).toBe(caller);
    expect(callerOf(tokens, idToken, "runtime")).toBeUndefined();
    expect(callerOf(tokens, runtimeToken, "id-token")).toBeUndefined();
  });
});

describe("github.token", () => {
  it("names its job however clients send it", () => {
    const { tokens } = setUp();
    const job = tokens.open(someClaims({ token: "ghs_1" }));
    tokens.open(someClaims({ token: "ghs_2" }));
    const basic = Buffer.from("x-access-token:ghs_1").toString("base64");
    for (const sent of ["token ghs_1", "Bearer ghs_1", `basic ${basic}`])
      expect(tokens.callerOfGithubToken(bearing(sent))).toBe(job.caller);
    for (const sent of ["token ghs_3", "token ", "ghs_1", ""])
      expect(tokens.callerOfGithubToken(bearing(sent))).toBeUndefined();
    job.close();
    expect(tokens.callerOfGithubToken(bearing("token ghs_1"))).toBeUndefined();
  });
});

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
