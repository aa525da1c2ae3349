import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_JOB_MASK_CHARACTERS, MAX_JOB_MASKS, Masker } from "./masker.ts";

function maskerOf(...secrets: readonly string[]): Masker {
  const masker = new Masker();
  for (const secret of secrets) masker.add(secret);
  return masker;
}

/** ACTIONS-CONTRACT §2.5, then what A19 of SECURITY-RELIABILITY adds. `SECRET` has something for every encoding to change. */
const SECRET = `p&+s"w'<o>/r d é%1`;
const FORMS: readonly (readonly [string, string])[] = [
  ["as it is", SECRET],
  ["base64", btoaUtf8(SECRET)],
  ["base64 behind one byte", btoaUtf8(`x${SECRET}`).slice(4)],
  ["base64 behind two bytes", btoaUtf8(`xy${SECRET}`).slice(4)],
  ["command line escapes", SECRET.replaceAll('"', '\\"')],
  ["expression escapes", SECRET.replaceAll("'", "''")],
  ["JSON", JSON.stringify(SECRET).slice(1, -1)],
  ["URI data", "p%26%2Bs%22w%27%3Co%3E%2Fr%20d%20%C3%A9%251"],
  ["XML", "p&amp;+s&quot;w&apos;&lt;o&gt;/r d é%1"],
  ["base64url", Buffer.from(SECRET).toString("base64url")],
  ["hex", Buffer.from(SECRET).toString("hex")],
  ["upper case hex", Buffer.from(SECRET).toString("hex").toUpperCase()],
  ["encodeURIComponent", encodeURIComponent(SECRET)],
  ["lower case URI escapes", "p%26%2bs%22w%27%3co%3e%2fr%20d%20%c3%a9%251"],
  ["a form", "p%26%2Bs%22w%27%3Co%3E%2Fr+d+%C3%A9%251"],
  ["JSON in ASCII", String.raw`p&+s\"w'<o>/r d \u00e9%1`],
  ["XML text", `p&amp;+s"w'&lt;o&gt;/r d é%1`],
  ["shell quotes", SECRET.replaceAll("'", `'\\''`)],
];

function btoaUtf8(text: string): string {
  return Buffer.from(text).toString("base64");
}

describe("Masker", () => {
  it.each(FORMS)("hides a secret written as %s", (_, form) => {
    const masker = maskerOf(SECRET);
    expect(masker.hides(form)).toBe(true);
    expect(masker.mask(`[${form}]`)).toBe("[***]");
  });

  it.each([
    ["trims the value", "  token-1 \n", "token-1", "***"],
    ["hides each line", "first line\n  second line \r\nthird", "second line", "***"],
    ["hides quoted values without their quotes", '"token-in-quotes"', "token-in-quotes", "***"],
    [
      "hides a short part before PowerShell's coloured ampersand",
      "secretpart1&secretpart2&secretpart3",
      "x secretpart1&secretpart2& y",
      "x *** y",
    ],
    ["hides the part after it", "secretpart1&secretpart2&secretpart3", "x secretpart3 y", "x *** y"],
    [
      "hides the part after &+ but the coloured letter",
      "secretpart1&+secretpart2&secretpart3",
      "ecretpart2&secretpart3",
      "***",
    ],
    [
      "hides base64 that goes on",
      "s3cr3t-value",
      Buffer.from("user:s3cr3t-value:more").toString("base64"),
      "dXNlcjpz***U6bW9yZQ==",
    ],
  ])("%s (ACTIONS-CONTRACT §2.5)", (_, secret, text, expected) => {
    expect(maskerOf(secret).mask(text)).toBe(expected);
  });

  it("hides base64 and hex that a program has wrapped", () => {
    const secret = "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ and some more of it".repeat(3);
    const masker = maskerOf(secret);
    for (const [encoded, width] of [
      [Buffer.from(secret).toString("base64"), 76],
      [Buffer.from(secret).toString("base64"), 64],
      [Buffer.from(secret).toString("hex"), 60],
    ] as const) {
      for (let at = 0; at + width <= encoded.length; at += width) {
        expect(masker.mask(encoded.slice(at, at + width))).toBe("***");
      }
    }
  });

  it("makes one of overlapping and touching places", () => {
    expect(maskerOf("abcdef", "defghi", "jklmno").mask("xabcdefghijklmnox abcdef")).toBe("x***x ***");
  });

  it("sees a secret through terminal codes, and hides those inside it", () => {
    const masker = maskerOf("super-secret");
    expect(masker.mask("a \u001b[1msuper\u001b[31m-sec\u001b]8;;x\u0007ret\u001b[0m b")).toBe(
      "a \u001b[1m***\u001b[0m b",
    );
    expect(masker.hides("s\u001b[0muper-secret")).toBe(true);
  });

  it("masks a secret of any length, as GitHub does", () => {
    expect(maskerOf("x").mask("a x b")).toBe("a *** b");
  });

  it("does not register short lines of a multi-line secret by themselves", () => {
    const masker = maskerOf('{\n  "key": "private-value"\n}');
    expect(masker.mask("function () { }")).toBe("function () { }");
    expect(masker.mask('"key": "private-value"')).toBe("***");
  });

  it.each(["", "  ", "abc", " ab \n"])(
    "refuses a job's mask of fewer than 4 characters: %j (SECURITY-RELIABILITY A13)",
    (mask) => {
      const masker = new Masker();
      expect(masker.addJobMask(mask)).toBe("too_short");
      expect(masker.mask("abc ab")).toBe("abc ab");
    },
  );

  it("takes 1,000 job masks and says that it is full from there on, in bounded time for 100,000 (A13)", () => {
    const masker = new Masker();
    const results = Array.from({ length: 100_000 }, (_, index) => {
      const result = masker.addJobMask(`mask number ${index}!`);
      if (index < 2000) masker.mask("a line between any two of them");
      return result;
    });
    expect(results.filter((result) => result === "added").length).toBe(MAX_JOB_MASKS);
    expect(results.lastIndexOf("added")).toBe(MAX_JOB_MASKS - 1);
    expect(masker.addJobMask("mask number 7!")).toBe("added");
    expect(masker.mask("mask number 999! mask number 1000!")).toBe("*** mask number 1000!");
  });

  it("bounds the characters of job masks, and does not take a part of one", () => {
    const masker = new Masker();
    expect(masker.addJobMask("y".repeat(MAX_JOB_MASK_CHARACTERS + 1))).toBe("full");
    expect(masker.hides("y".repeat(100))).toBe(false);
    expect(masker.addJobMask("a shorter one")).toBe("added");
  });

  it("masks 64 KiB lines with 1,000 masks in linear time", () => {
    const masker = new Masker();
    for (let index = 0; index < 1000; index++) masker.addJobMask(`${"a".repeat(30)}${index}`);
    const line = "a".repeat(1 << 16);
    for (let count = 0; count < 20; count++) expect(masker.mask(line)).toBe(line);
  });

  it("hides the beginning of a secret at the end of a text that was cut off, and nothing else there", () => {
    const masker = maskerOf("super-secret-value");
    expect(masker.maskCut("here is super-sec")).toBe("here is ***");
    expect(masker.maskCut("here is sup\u001b[1mer-s\u001b[0")).toBe("here is ***");
    expect(masker.maskCut("here is nothing")).toBe("here is nothing");
    expect(masker.mask("here is super-sec")).toBe("here is super-sec");
  });

  it("leaves no part of a secret at a cut, wherever it is", () => {
    const value = "T0ken/with+chars";
    const masker = maskerOf(value);
    const text = `before ${value} after`;
    for (let end = 0; end <= text.length; end++) {
      const shown = masker.maskCut(text.slice(0, end)).replace("before ", "");
      for (let length = 2; length <= value.length; length++) expect(shown).not.toContain(value.slice(0, length));
    }
  });

  it("hides the same after a way through JSON, and has no more room for a job's masks than before", () => {
    const masker = maskerOf(SECRET, "line one\nline two");
    for (let index = 0; index < MAX_JOB_MASKS - 1; index++) masker.addJobMask(`mask-${index}`);
    const restored = Masker.restore(JSON.parse(JSON.stringify(masker.snapshot())));
    for (const text of [...FORMS.map(([, form]) => `x ${form} y`), "line two", "mask-7", "nothing"]) {
      expect(restored.mask(text)).toBe(masker.mask(text));
    }
    expect(restored.addJobMask("one-more")).toBe("added");
    expect(restored.addJobMask("too-many")).toBe("full");
  });

  it("does not take the switches of debug logging for secrets (2.5)", () => {
    const masker = new Masker();
    masker.addSecrets({ ACTIONS_STEP_DEBUG: "true", actions_runner_debug: "true", KEY: "hunter2" });
    expect(masker.mask("true hunter2")).toBe("true ***");
  });

  it("leaves text without secrets as it is", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uuid(), { minLength: 1, maxLength: 5 }),
        fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 500 }),
        (secrets, text) => {
          expect(maskerOf(...secrets).mask(text)).toBe(text);
        },
      ),
    );
  });
});
