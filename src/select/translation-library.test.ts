import { describe, expect, it } from "vitest";
import type { KnownAction } from "../action/choose-way.ts";
import type { TranslationWish } from "../action/translated-way.ts";
import { parseActionReference } from "../action/reference.ts";
import type { RemoteReference } from "../action/reference.ts";
import { aJob, aUsesStep } from "../plan/plan-fixture.ts";
import { hashText, translationOf } from "../translate/translation.ts";
import type { Translation } from "../translate/translation.ts";
import type { TranslationRequest, Translator } from "../translate/translator.ts";
import { ActionLibrary } from "./action-library.ts";
import { loadActions } from "./load-actions.ts";
import { ReferencePins } from "./reference-pins.ts";
import { TranslationLibrary } from "./translation-library.ts";
import type { TranslationSettings } from "./translation-library.ts";

const BY_MODEL = { kind: "model", model: "m", prompt: "1" } as const;

function composite(script: string, inputs = "{}"): string {
  return `name: n\ninputs: ${inputs}\nruns:\n  using: composite\n  steps:\n    - { shell: bash, run: ${JSON.stringify(script)} }\n`;
}

function remote(uses: string): RemoteReference {
  const reference = parseActionReference(uses);
  if (reference.kind !== "remote") throw new Error(`${uses} is not remote`);
  return reference;
}

function wish(uses: string, change: Partial<TranslationWish> = {}): TranslationWish {
  return {
    reference: remote(uses),
    sha: undefined,
    manifest: undefined,
    use: { with: {}, outputsUsed: [] },
    ...change,
  };
}

function library(settings: Partial<TranslationSettings> = {}): TranslationLibrary {
  return new TranslationLibrary({ pinned: [], frozen: false, rules: true, translator: undefined, ...settings });
}

/** Answers everything with the same text, and notes what it was asked. */
function aTranslator(manifest: string): Translator & { readonly asked: TranslationRequest[] } {
  const asked: TranslationRequest[] = [];
  return {
    asked,
    async translate(request) {
      asked.push(request);
      return manifest === ""
        ? { kind: "refused", reason: "no budget" }
        : { kind: "translated", manifest, by: BY_MODEL };
    },
  };
}

async function answer(translations: TranslationLibrary, asked: TranslationWish) {
  await translations.load(asked, new AbortController().signal);
  return translations.find(asked);
}

function pin(uses: string, manifest: string, change: Partial<Translation> = {}): Translation {
  return { ...translationOf(wish(uses), BY_MODEL, manifest), ...change };
}

describe("a translation", () => {
  it("is a pinned one before a rule, a rule before a model, and none where there is neither", async () => {
    const translator = aTranslator(composite("echo model"));
    const uses = "codecov/codecov-action@v4";
    const pinned = [pin(uses, composite("echo pinned"))];
    expect(await answer(library({ pinned, translator }), wish(uses))).toMatchObject({
      manifest: composite("echo pinned"),
    });
    expect(await answer(library({ translator }), wish(uses))).toMatchObject({ by: { kind: "rule" } });
    expect(await answer(library({ translator, rules: false }), wish(uses))).toMatchObject({ by: BY_MODEL });
    expect(await answer(library({ rules: false }), wish(uses))).toBeUndefined();
    expect(translator.asked).toHaveLength(1);
  });

  it("that is frozen is a pinned one only, whatever else there is", async () => {
    const translator = aTranslator(composite("echo model"));
    const uses = "codecov/codecov-action@v4";
    expect(await answer(library({ frozen: true, translator }), wish(uses))).toMatchObject({ kind: "none" });
    const pinned = [pin(uses, composite("echo pinned"))];
    expect(await answer(library({ frozen: true, pinned }), wish(uses))).toMatchObject({ kind: "translated" });
    expect(translator.asked).toEqual([]);
  });

  it.each<[string, Partial<Translation>, Partial<TranslationWish>, boolean]>([
    ["the same commit", { sha: "a".repeat(40) }, { sha: "a".repeat(40) }, true],
    ["another commit", { sha: "a".repeat(40) }, { sha: "b".repeat(40) }, false],
    ["a commit that nobody knows now", { sha: "a".repeat(40) }, {}, true],
    ["the same manifest", { manifestHash: hashText("x") }, { manifest: "x" }, true],
    ["another manifest", { manifestHash: hashText("x") }, { manifest: "y" }, false],
    ["another step", {}, { use: { with: { a: "text" }, outputsUsed: [] } }, false],
    ["a step whose outputs others read", {}, { use: { with: {}, outputsUsed: ["x"] } }, false],
    ["any step, of a rule", { stepHash: undefined }, { use: { with: {}, outputsUsed: [] } }, true],
  ])("that is pinned holds for %s: %#", async (_what, pinned, asked, holds) => {
    const translations = library({ rules: false, pinned: [pin("o/r@v1", composite("echo"), pinned)] });
    const found = await answer(translations, wish("o/r@v1", asked));
    expect(found?.kind).toBe(holds ? "translated" : undefined);
    expect(translations.warnings).toHaveLength(holds ? 0 : 1);
  });

  it("that is pinned is checked again, and says where it is from when it is refused", async () => {
    const pinned = [pin("o/r@v1", composite("echo ${{ inputs.x }}", "{ x: { description: d } }"))];
    const found = await answer(library({ pinned }), wish("o/r@v1"));
    expect(found).toMatchObject({ kind: "none", why: expect.stringContaining(".hearth/lock.yml") });
    expect(found).toMatchObject({ why: expect.stringContaining("(splice)") });
  });

  it("may name hosts that somebody reviewed, and a new answer only those of the action", async () => {
    const text = composite("curl https://x.test/");
    expect(await answer(library({ pinned: [pin("o/r@v1", text)] }), wish("o/r@v1"))).toMatchObject({
      kind: "translated",
    });
    const translator = aTranslator(text);
    expect(await answer(library({ translator }), wish("o/r@v1"))).toMatchObject({
      kind: "none",
      why: expect.stringContaining("(hosts)"),
    });
    const manifest = "name: r\ndescription: fetches https://x.test/\nruns: { using: node20, main: x.js }";
    expect(await answer(library({ translator }), wish("o/r@v1", { manifest }))).toMatchObject({ kind: "translated" });
  });

  it("of a rule is refused for a step with an input that the rule does not know, and a model is asked", async () => {
    const asked = wish("denoland/setup-deno@v2", { use: { with: { "no-such": "text" }, outputsUsed: [] } });
    expect(await answer(library(), asked)).toMatchObject({ kind: "none", why: expect.stringContaining("'no-such'") });
    const translator = aTranslator(composite("echo", "{ no-such: { description: d } }"));
    expect(await answer(library({ translator }), asked)).toMatchObject({ by: BY_MODEL });
    expect(translator.asked[0]).toMatchObject({ reference: "denoland/setup-deno@v2", with: { "no-such": "text" } });
  });

  it("says what whoever was asked says", async () => {
    expect(await answer(library({ translator: aTranslator("") }), wish("o/r@v1"))).toEqual({
      kind: "none",
      why: "no budget",
    });
  });
});

const nothing = (): KnownAction => ({ kind: "missing", fault: "cannot be had", fix: "wait" });
const stopped = (): KnownAction => ({ kind: "stopped", fault: "has moved", fix: "look" });
const policy = () => ({ fault: "is not allowed", fix: "ask" });
const found = (runs: string) => (): KnownAction => ({
  kind: "found",
  action: { repository: "codecov/codecov-action", path: "", ref: "v4", sha: "c".repeat(40) },
  manifest: { path: "action.yml", text: `name: c\ndescription: d\nruns: ${runs}` },
});

describe("ways with translations", () => {
  const NOWHERE = new ReferencePins(undefined, { locked: false, own: { owner: "me", name: "own" } });
  const job = aJob("build");

  async function wayOf(
    uses: string,
    options: Partial<Parameters<typeof loadActions>[1]["options"]> = {},
    known = nothing,
  ) {
    const actions = new ActionLibrary([], NOWHERE);
    actions.find = known;
    const settings = { library: actions, translations: library(), lookup: () => undefined };
    const step = aUsesStep(1, uses);
    const choose = await loadActions([{ step, inside: undefined, job }], {
      ...settings,
      options: { builtins: true, ...options },
    });
    return choose(step, undefined, job);
  }

  it("are a rule's for an action that cannot be had, and a built-in before that", async () => {
    expect(await wayOf("codecov/codecov-action@v4")).toMatchObject({
      kind: "translated",
      by: { kind: "rule", rule: "codecov/codecov-action" },
      action: { repository: "codecov/codecov-action", ref: "v4", sha: "" },
      steps: [{ name: "Upload nothing", way: { kind: "run" } }],
    });
    expect(await wayOf("actions/setup-node@v4")).toMatchObject({ kind: "builtin" });
    expect(await wayOf("o/unknown@v1")).toMatchObject({ kind: "unsupported", fix: "wait" });
  });

  it("are a rule's for a container action, and the action's own where it can run", async () => {
    const uses = "codecov/codecov-action@v4";
    expect(await wayOf(uses, {}, found("{ using: docker, image: x }"))).toMatchObject({
      kind: "translated",
      action: { sha: "c".repeat(40) },
    });
    const real = found("{ using: node20, main: x.js }");
    expect(await wayOf(uses, {}, real)).toMatchObject({ kind: "javascript" });
    const always = { translatesAlways: () => "hearth.yml:2:3 (translate.always)" };
    expect(await wayOf(uses, always, real)).toMatchObject({ kind: "translated" });
    expect(await wayOf("o/unknown@v1", always)).toMatchObject({ what: expect.stringContaining("translate.always") });
  });

  it("are never a translation where policy refuses the action, even if it is to be translated always", async () => {
    const uses = "codecov/codecov-action@v4";
    expect(await wayOf(uses, { policy })).toMatchObject({ kind: "unsupported", fix: "ask" });
    expect(await wayOf(uses, { policy, translatesAlways: () => "here" })).toMatchObject({
      kind: "unsupported",
      fix: "ask",
    });
    expect(await wayOf(uses, {}, stopped)).toMatchObject({ kind: "unsupported", fix: "look" });
  });
});
