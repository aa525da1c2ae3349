import { describe, expect, it } from "vitest";
import { parseHearthFile } from "./parse-hearth-file.ts";
import { alwaysTranslated, DEFAULT_TRANSLATE } from "./translate-settings.ts";
import type { TranslateSettings } from "./translate-settings.ts";

function settings(text: string): TranslateSettings {
  const result = parseHearthFile(text);
  if (result.kind === "refused") throw new Error(result.diagnostics.map(({ message }) => message).join("; "));
  return result.file.translate;
}

function fault(text: string): string {
  const result = parseHearthFile(text);
  if (result.kind === "parsed") return "";
  return result.diagnostics.map(({ at, key, message }) => `${at?.line}:${at?.column} ${key}: ${message}`).join("; ");
}

describe("translate of hearth.yml", () => {
  it("is on with rules where nothing is said", () => {
    expect(settings("vars: {}")).toEqual(DEFAULT_TRANSLATE);
    expect(settings("translate: {}")).toEqual(DEFAULT_TRANSLATE);
    expect(settings("translate:")).toEqual(DEFAULT_TRANSLATE);
  });

  it("is off as a whole, or without rules", () => {
    expect(settings("translate: off").on).toBe(false);
    expect(settings("translate: false").on).toBe(false);
    expect(settings("translate: { rules: false }")).toMatchObject({ on: true, rules: false });
  });

  it("names actions that are always translated", () => {
    const read = settings("translate:\n  always: [Octo/*, a/b]\n");
    const always = alwaysTranslated({ translate: read });
    const reference = { owner: "octo", name: "x", path: "", ref: "v1" };
    expect(always(reference)).toBe("hearth.yml:2:3 (translate.always)");
    expect(always({ ...reference, owner: "a", name: "B" })).toBeDefined();
    expect(always({ ...reference, owner: "a" })).toBeUndefined();
    expect(alwaysTranslated({ translate: { ...read, on: false } })(reference)).toBeUndefined();
  });

  it.each([
    ["translate: on", "1:12 translate: Expected off, or a mapping"],
    ["translate: { rule: true }", "translate.rule: There is no key 'rule' here; allowed are: always, rules"],
    ["translate: { rules: 1 }", "translate.rules: Expected true or false"],
    ["translate:\n  always: octo", "2:11 translate.always: Expected a list"],
    ["translate: { always: [octo] }", "translate.always[0]: Expected owner/name"],
    ["translate: { model: { name: x } }", "translate.model: There is no key 'model' here"],
  ])("%s is a fault with its place", (text, message) => {
    expect(fault(text)).toContain(message);
  });
});
