import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Masker } from "./masker.ts";
import { SecretScanner } from "./secret-scan.ts";

function finds(secrets: readonly string[], bytes: Buffer, cuts: readonly number[] = []): boolean {
  const scan = new SecretScanner(secrets).start();
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  let [from, found] = [0, false];
  for (const end of ends) {
    found = scan(bytes.subarray(from, end));
    from = end;
  }
  return found;
}

/** Ways in which programs write a secret, each made by other means than the masker's. */
const WAYS: readonly ((secret: Buffer) => Buffer)[] = [
  (secret) => secret,
  (secret) => Buffer.from(secret.toString("base64")),
  (secret) => Buffer.from(secret.toString("base64url")),
  (secret) => Buffer.from(secret.toString("hex")),
  (secret) => Buffer.from(Buffer.concat([Buffer.from("x"), secret]).toString("base64")),
  (secret) => Buffer.from(Buffer.concat([Buffer.from("user:"), secret, Buffer.from(" more")]).toString("base64")),
  (secret) => Buffer.from(JSON.stringify({ key: secret.toString("utf8") })),
  (secret) => Buffer.from(encodeURIComponent(secret.toString("utf8"))),
  (secret) => Buffer.from(new URLSearchParams({ key: secret.toString("utf8") }).toString()),
];

const characters = Array.from("abcXYZ0189+/=-_!§é☃😀\"'<>& {}\\");
const key = fc.string({ unit: fc.constantFrom(...characters), minLength: 12, maxLength: 200 });
const secret = key.filter((text) => text.trim() === text);

describe("SecretScanner", () => {
  it("finds a secret however it is written, whatever stands around it, wherever the bytes are cut", () => {
    const noise = fc.uint8Array({ maxLength: 300 });
    const cuts = fc.array(fc.nat(2000), { maxLength: 12 });
    fc.assert(
      fc.property(secret, fc.constantFrom(...WAYS), noise, noise, cuts, (text, write, before, after, places) => {
        const bytes = Buffer.concat([before, write(Buffer.from(text)), after]);
        expect(finds(["another secret", text], bytes, places)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("finds one that comes byte by byte, behind beginnings of itself", () => {
    const bytes = Buffer.from("tokentokentoktokentoken-1 and more");
    const everywhere = Array.from(bytes.keys());
    expect(finds(["tokentoken-1"], bytes, everywhere)).toBe(true);
    expect(finds(["tokentoken-2"], bytes, everywhere)).toBe(false);
  });

  it("finds nothing in bytes that hold none, not even all but one byte of it", () => {
    fc.assert(
      fc.property(secret, fc.nat(), fc.array(fc.nat(300), { maxLength: 5 }), (text, at, places) => {
        // What stands between quotes is looked for without them.
        fc.pre(!text.startsWith('"'));
        const bytes = Buffer.from(text);
        const place = at % bytes.length;
        const without = Buffer.concat([bytes.subarray(0, place), Buffer.from([0]), bytes.subarray(place + 1)]);
        expect(finds([text], without, places)).toBe(false);
      }),
    );
    expect(finds(["0123456789"], randomBytes(1 << 20))).toBe(false);
    expect(finds([], Buffer.from("anything"))).toBe(false);
  });

  it("says so again for what comes after", () => {
    const scan = new SecretScanner(["the secret"]).start();
    expect([scan(Buffer.from("the sec")), scan(Buffer.from("ret")), scan(Buffer.from("more"))]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it("does not look for a text that stands somewhere by chance: shorter than 8 bytes, or so in another form", () => {
    expect(finds(["hunter2"], Buffer.from("hunter2"))).toBe(false);
    expect(finds(["hunter22"], Buffer.from("hunter22"))).toBe(true);
    expect(finds(["пасс"], Buffer.from("пасс"))).toBe(true);
  });

  const keyLine = randomBytes(48).toString("base64");
  const pem = `-----BEGIN PRIVATE KEY-----\n${keyLine}\n${randomBytes(20).toString("base64")}\n-----END PRIVATE KEY-----\n`;
  it("finds the key in a secret of several lines with other line ends, and none of its other lines", () => {
    expect(finds([pem], Buffer.from(pem.replaceAll("\n", "\r\n  ")))).toBe(true);
    expect(finds([pem], Buffer.from(JSON.stringify(pem)))).toBe(true);
    expect(finds([pem], Buffer.from("-----BEGIN PRIVATE KEY-----\nanother\n-----END PRIVATE KEY-----\n"))).toBe(false);
    const account = JSON.stringify(
      { type: "service_account", certs: "https://www.googleapis.com/oauth2/v1/certs", key: pem },
      null,
      2,
    );
    expect(finds([account], Buffer.from('  "type": "service_account",\n'))).toBe(false);
    expect(finds([account], Buffer.from('  "certs": "https://www.googleapis.com/oauth2/v1/certs",\n'))).toBe(false);
  });

  it("does not take the head of a token for the token", () => {
    const [head] = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxMjM0NTY3OCJ9.c2lnbmF0dXJl".split(".");
    expect(
      finds(["eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxMjM0NTY3OCJ9.c2ln"], Buffer.from(`${head}.other`)),
    ).toBe(false);
  });
});

describe("Masker.startScan", () => {
  it("looks for what is secret by then: not for tokens of jobs that have ended, what a job had masked, switches", () => {
    const masker = new Masker();
    masker.addSecrets({ KEY: "first-secret", ACTIONS_STEP_DEBUG: "trueish-value" });
    expect(masker.startScan()(Buffer.from("a later-secret b"))).toBe(false);
    masker.add("later-secret");
    masker.add("token-of-an-ended-job");
    masker.startScan();
    for (const token of ["token-of-an-ended-job", "first-secret"]) masker.retire(token);
    expect(masker.mask("token-of-an-ended-job")).toBe("***");
    masker.addJobMask("masked-by-a-job");
    for (const [text, isFound] of [
      ["a first-secret b", true],
      ["a later-secret b", true],
      ["a token-of-an-ended-job b", false],
      ["a masked-by-a-job b", false],
      ["a trueish-value b", false],
    ] as const) {
      expect({ text, isFound: masker.startScan()(Buffer.from(text)) }).toEqual({ text, isFound });
      const restored = Masker.restore(masker.snapshot());
      expect({ text, isFound: restored.startScan()(Buffer.from(text)) }).toEqual({ text, isFound });
    }
  });
});
