/** ARCHITECTURE.md is true: the files it names are there, and export what it says. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** Files that a document names, and what it says they export: `path` (`symbol`). */
function namedIn(document: string): { readonly file: string; readonly symbol: string | undefined }[] {
  return [...document.matchAll(/`((?:src|docs|test)\/[^`]+)`(?:\s\(`(\w+)`\))?/g)].map(([, file = "", symbol]) => ({
    file,
    symbol,
  }));
}

function isTrue({ file, symbol }: { readonly file: string; readonly symbol: string | undefined }): boolean {
  const path = join(ROOT, file);
  if (!existsSync(path)) return false;
  if (symbol === undefined) return true;
  const exported = new RegExp(String.raw`^export (?:async )?(?:function|class|const|interface|type) ${symbol}\b`, "m");
  return exported.test(readFileSync(path, "utf8"));
}

it("names only what is there", () => {
  const named = namedIn(readFileSync(join(ROOT, "ARCHITECTURE.md"), "utf8"));
  expect(named.length).toBeGreaterThan(15);
  expect(named.filter((one) => !isTrue(one))).toEqual([]);
});

it("would see a file that is gone, and a symbol that is gone", () => {
  const [gone, renamed] = namedIn("`src/engine/gone.ts` and `src/engine/run-job.ts` (`runGone`)");
  expect([gone && isTrue(gone), renamed && isTrue(renamed)]).toEqual([false, false]);
});
