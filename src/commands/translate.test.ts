import { describe, expect, it } from "vitest";
import type { TranslationChange } from "../select/manage-translations.ts";
import type { Translation } from "../translate/translation.ts";
import { run } from "./fake-command-line.ts";
import { lineChanges } from "./translate.ts";

const translation: Translation = {
  action: "octo/setup@v1",
  sha: undefined,
  manifestHash: undefined,
  stepHash: undefined,
  by: { kind: "rule", rule: "octo/setup" },
  manifest: "name: new\nruns:\n  using: composite\n",
};

const fresh: TranslationChange = { kind: "new", translation, before: undefined, outputsNotSet: ["path"] };

describe("hearth translate", () => {
  it("shows new steps as lines that come, who wrote them and what stays empty", async () => {
    const { code, stdout } = await run(["translate"], { translations: [fresh] });
    expect(code).toBe(0);
    expect(stdout.split("\n")).toEqual([
      "octo/setup@v1  translated by rule octo/setup",
      "  outputs that stay empty: path",
      "  + name: new",
      "  + runs:",
      "  +   using: composite",
      "1 translation not in .hearth/lock.yml, 0 pinned, 0 no longer needed, 0 without",
      "hearth translate --write pins them; review them as you would review code",
      "",
    ]);
  });

  it("shows only what changed of steps that were pinned, and says that they are written", async () => {
    const before = { ...translation, manifest: translation.manifest.replace("new", "old") };
    const { stdout } = await run(["translate", "--write"], { translations: [{ ...fresh, before }] });
    expect(stdout).toContain("  - name: old\n  + name: new\n    runs:\n");
    expect(stdout).toContain("1 translation written to .hearth/lock.yml");
  });

  it("fails where nothing stands for an action, and says why without the terminal's own codes", async () => {
    const none: TranslationChange = { kind: "none", action: "octo/x\u001b[31m@v1", why: "there is no rule" };
    const { code, stdout } = await run(["translate"], {
      translations: [none, { kind: "removed", before: translation }],
    });
    expect(code).toBe(3);
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toContain("there is no rule");
    expect(stdout).toContain("octo/setup@v1  no longer needed");
  });

  it("is one document as JSON", async () => {
    const { stdout } = await run(["translate", "--json"], { translations: [fresh] });
    expect(JSON.parse(stdout)).toMatchObject([{ kind: "new", translation: { action: "octo/setup@v1" } }]);
  });
});

describe("what changed of a text", () => {
  it("is nothing for the same text, and all of it for a new one", () => {
    expect(lineChanges("a\nb\n", "a\nb\n").filter(({ sign }) => sign !== " ")).toEqual([]);
    expect(lineChanges("", "a\nb\n")).toEqual([
      { sign: "+", line: "a" },
      { sign: "+", line: "b" },
    ]);
  });

  it("is what lies between the lines that both begin and end with", () => {
    const signs = lineChanges("a\nx\nb\nb\n", "a\nb\nb\n").map(({ sign, line }) => `${sign}${line}`);
    expect(signs).toEqual([" a", "-x", " b", " b"]);
  });
});
