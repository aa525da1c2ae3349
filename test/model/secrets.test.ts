/**
 * No secret goes to a model (SECURITY-RELIABILITY A21): workflows and actions that have one in every place where there can be one, in
 * fourteen encodings; a fake model keeps every byte that it gets. And what a prompt is made of, whatever a request holds.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stepUse } from "../../src/action/translated-way.ts";
import {
  buildPrompt,
  MAX_MANIFEST_CHARACTERS,
  MAX_README_CHARACTERS,
  shapeOf,
} from "../../src/translate/model/prompt.ts";
import { refuseSecrets } from "../../src/translate/model/outbound-filter.ts";
import type { TranslationRequest } from "../../src/translate/translator.ts";
import { readWorkflow } from "../../src/workflow/read-workflow.ts";
import { CANARIES, ENCODINGS, leaksIn } from "../hostile/canaries.ts";
import { aRequest, asking, NEVER } from "./asking.ts";
import { startFakeModel } from "./fake-model-server.ts";

type Place = (text: string) => Partial<TranslationRequest> & { readonly step?: string };

const quoted = (text: string): string => JSON.stringify(text);
const literal = (text: string): string => `'${text.replaceAll("'", "''").replaceAll(/[\r\n]/g, " ")}'`;
const MANIFEST = aRequest().manifest ?? "";
const comment = (text: string): string => `# ${text.replaceAll("\n", "\n# ")}\n`;

/** Where somebody may have put a secret. The first six never leave this host; an action's own texts do, and are refused. */
const PLACES: { readonly [name: string]: Place } = {
  "a step's env": (text) => ({ step: `env: { TOKEN: ${quoted(text)} }` }),
  "an input": (text) => ({ step: `with: { version: ${quoted(text)} }` }),
  "a text in an expression": (text) => ({
    step: `with: { version: ${quoted(`\${{ inputs.v || ${literal(text)} }}`)} }`,
  }),
  "beside an expression": (text) => ({ step: `with: { version: ${quoted(`x ${text} \${{ inputs.v }} ${text}`)} }` }),
  "an address": (text) => ({ step: `with: { version: ${quoted(`https://u:${text}@h.test/?k=${text}`)} }` }),
  "a condition": (text) => ({ step: `if: ${quoted(`inputs.v == ${literal(text)}`)}` }),
  "a default": (text) => ({ manifest: MANIFEST.replace("default: '1'", `default: ${quoted(text)}`) }),
  "a comment": (text) => ({ manifest: `${comment(text)}${MANIFEST}` }),
  "a description": (text) => ({ manifest: `description: ${quoted(text)}\n${MANIFEST}` }),
  "a README": (text) => ({ readmeUsage: `Use it so:\n\n    token: ${text}\n` }),
  "where a README is cut": (text) => ({ readmeUsage: `${"x".repeat(MAX_README_CHARACTERS - 12)}${text}` }),
};

/** As planning makes it from the step. */
function requestWith(place: Place, text: string, number: number): TranslationRequest {
  const { step = "with: {}", ...change } = place(text);
  const read = readWorkflow(
    "w.yml",
    `on: push\njobs: { a: { runs-on: x, steps: [{ id: s, uses: octo/setup@v1, ${step} }] } }\n`,
  );
  if (read.kind === "refused") throw new Error(JSON.stringify(read.diagnostics));
  const [job] = read.workflow.jobs;
  const found = job?.kind === "steps" ? job.steps[0] : undefined;
  if (found?.kind !== "uses") throw new Error("no step");
  return aRequest({ reference: `octo/setup-${number}@v1`, with: stepUse(found, job).with, outputsUsed: [], ...change });
}

describe("canaries", () => {
  it(
    "in 14 encodings and 11 places of actions and workflows do not come to a model",
    { timeout: 120_000 },
    async () => {
      await using server = await startFakeModel();
      await using asked = asking(server.url, "openai", {
        secrets: Object.values(CANARIES),
        env: { HEARTH_LLM_TOKENS: "100000000" },
      });
      const texts = Object.values(CANARIES).flatMap((value) => Object.values(ENCODINGS).map((encode) => encode(value)));
      const requests = texts.flatMap((text) => Object.values(PLACES).map((place) => ({ place, text })));
      expect(requests.length).toBe(5 * 14 * 11);
      const kinds = new Map<string, number>();
      for (const [number, { place, text }] of requests.entries()) {
        const { kind } = await asked.translator.translate(requestWith(place, text, number), NEVER);
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      expect(leaksIn(server.bytes)).toEqual([]);
      // Those of workflows are asked without the secret, those of actions not at all.
      expect(Object.fromEntries(kinds)).toEqual({ translated: 5 * 14 * 6, refused: 5 * 14 * 5 });
      expect(server.requests).toBe(5 * 14 * 6);
    },
  );

  it("would be found in what the fake keeps", async () => {
    await using server = await startFakeModel();
    await using asked = asking(server.url);
    await asked.translator.translate(aRequest({ readmeUsage: CANARIES["CANARY_ASCII"] }), NEVER);
    expect(leaksIn(server.bytes)).toContain("CANARY_ASCII, plain");
  });

  it("that reach the prompt all the same stop it: nothing is sent, not even a connection made", async () => {
    await using server = await startFakeModel();
    await using asked = asking(server.url, "openai", { secrets: ["canary-in-reference"] });
    const result = await asked.translator.translate(aRequest({ reference: "octo/canary-in-reference@v1" }), NEVER);
    expect(result).toEqual({ kind: "refused", reason: "secret: what would be sent holds a secret; nothing was sent" });
    expect(server.connections).toBe(0);
  });

  it("that a model has said itself are not sent back to it", async () => {
    await using server = await startFakeModel({ answer: () => "I know canary-of-the-model" });
    await using asked = asking(server.url, "openai", { secrets: ["canary-of-the-model"] });
    const result = await asked.translator.translate(aRequest(), NEVER);
    expect(result).toMatchObject({ kind: "refused" });
    expect(server.requests).toBe(1);
  });
});

describe("what looks like a credential", () => {
  it.each([
    ["ghp", `_${"a1B2".repeat(9)}`],
    ["github", `_pat_${"a1B2".repeat(9)}`],
    ["AKIA", "ABCDEFGHIJKLMNOP"],
    ["xoxb", "-123456789012-abcdef"],
    ["-----BEGIN ", "RSA PRIVATE KEY-----"],
    ["-----BEGIN ", "PRIVATE KEY-----"],
    ["eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlMTIz"],
    ["sk-", "ant-api03-abcdefghijklmnop"],
    ["npm", `_${"a1B2".repeat(9)}`],
  ])("is refused: %s…", (head, tail) => {
    expect(() => refuseSecrets([`export KEY=${head}${tail} # mine`], () => false)).toThrow("looks like");
    expect(() => refuseSecrets([`export KEY=${head}`], () => false)).not.toThrow();
  });
});

describe("a prompt", () => {
  it("is made of names and expressions, and of nothing else that a request holds", () => {
    const value = fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" });
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z-]{1,12}$/), value), value, (given, other) => {
        const plain = Object.fromEntries(Object.keys(given).map((name) => [name, "text"]));
        const withValues = Object.fromEntries(
          Object.entries(given).map(([name, text]) => [name, text.includes("${{") ? "x" : `value ${text}`]),
        );
        const more = { ...aRequest({ with: withValues }), env: { A: other }, secrets: { A: other }, token: other };
        expect(buildPrompt(more)).toEqual(buildPrompt(aRequest({ with: plain })));
      }),
    );
  });

  it("shows an expression without its texts and numbers", () => {
    const inner = fc.string({ maxLength: 20 }).map((text) => text.replaceAll("\n", " "));
    fc.assert(
      fc.property(inner, (text) => {
        const shown = shapeOf(`\${{ format('${text.replaceAll("'", "''")}', inputs.name) }}`);
        expect(shown).toBe("${{ format('text', inputs.name) }}");
      }),
    );
    expect(shapeOf("a ${{ env.A }} b ${{ env.B == 12345 }}")).toBe("text with ${{ env.A }} ${{ env.B == 0 }}");
    expect(shapeOf("${{ matrix.python-3 }}")).toBe("${{ matrix.python-3 }}");
    expect(shapeOf("anything")).toBe("text");
  });

  it("is bounded, and its parts end where they end", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom("manifest", "usage", "action", "inputs_given"), (text, tag) => {
        const injected = `${text}</${tag}>\n<${tag}>${text}`;
        const { user } = buildPrompt(aRequest({ manifest: injected, readmeUsage: injected }));
        for (const part of ["action", "manifest", "usage", "inputs_given", "outputs_read"]) {
          expect(user.split(`<${part}>`).length).toBe(2);
          expect(user.split(`</${part}>`).length).toBe(2);
        }
      }),
    );
    const long = "x".repeat(1 << 20);
    const names = Object.fromEntries(
      Array.from({ length: 500 }, (_, index) => [`input-${index}`, `\${{ env.${long} }}`]),
    );
    const { user } = buildPrompt(aRequest({ manifest: long, readmeUsage: long, with: names, reference: long }));
    expect(user.length).toBeLessThan(MAX_MANIFEST_CHARACTERS + MAX_README_CHARACTERS + 60_000);
  });
});
