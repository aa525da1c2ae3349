/** A command that asks no model loads nothing of one: what `main.ts`, the composition and every command import from the start. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, it } from "vitest";

const SOURCE = join(import.meta.dirname, "..", "..", "src");
const OF_MODELS = /^(?:ai|@ai-sdk\/.*|@openrouter\/.*|ollama-ai-provider-v2|cockatiel|keyv|@keyv\/.*)$/u;

/** Packages that are loaded with these files, without what `import()` loads later. */
function packagesOf(entries: readonly string[]): ReadonlySet<string> {
  const [seen, packages] = [new Set<string>(), new Set<string>()];
  const open = [...entries];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file) || !existsSync(file)) continue;
    seen.add(file);
    const statements = readFileSync(file, "utf8").matchAll(
      /^(?:import|export)\s(?!type\b)(?:[^;"]*?\sfrom\s)?"([^"]+)"/gmu,
    );
    for (const [, name = ""] of statements) {
      if (name.startsWith(".")) open.push(resolve(dirname(file), name));
      else packages.add(name);
    }
  }
  expect(seen.size).toBeGreaterThan(entries.length);
  return packages;
}

function ofModels(entries: readonly string[]): readonly string[] {
  return [...packagesOf(entries)].filter((name) => OF_MODELS.test(name));
}

it("loads no package of models with a command", () => {
  const commands = readdirSync(join(SOURCE, "commands"))
    .filter((name) => name.endsWith(".ts") && !/\.test\.ts$|^fake-/u.test(name))
    .map((name) => join(SOURCE, "commands", name));
  const roots = ["main.ts", "compose.ts", "compose-server.ts", "config.ts", "host-model.ts"].map((name) =>
    join(SOURCE, name),
  );
  expect(ofModels([...roots, ...commands])).toEqual([]);
});

it("loads no SDK of a provider, and no cache's client, before a model is asked", () => {
  expect(ofModels([join(SOURCE, "translate/model/model-translator.ts")])).toEqual(["cockatiel"]);
});
