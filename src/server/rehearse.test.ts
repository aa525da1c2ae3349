import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rehearse } from "./rehearse.ts";
import type { RehearsalText } from "./rehearse.ts";

let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-rehearse-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function workflow(path: string, text: string): RehearsalText {
  return { kind: "workflow", path, text };
}

const GOOD = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo\n";
const ALIAS_BOMB = `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefghi"
  .split("")
  .map((name, index) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${"abcdefgh"[index]}`).join(",")}]`)
  .join("\n")}\n`;

/** A reader that can be made to do what a parser might. */
function program(): string {
  const path = join(directory, "reader.mjs");
  writeFileSync(
    path,
    `import { createInterface } from "node:readline";
    process.stdout.write("ready\\n");
    for await (const line of createInterface({ input: process.stdin })) {
      const { text } = JSON.parse(line);
      if (text === "abort") process.abort();
      if (text === "exit") process.exit(0);
      if (text === "for ever") for (;;);
      if (text === "eat") for (const eaten = []; ; ) eaten.push({ eaten: new Array(1000).fill(eaten.length) });
      process.stdout.write("read\\n");
    }`,
  );
  return path;
}

describe("reading strangers' files in a process of its own", { timeout: 120_000 }, () => {
  it("bears what attacks a parser, in this process's stead", async () => {
    const texts = [
      workflow("good.yml", GOOD),
      ...Array.from({ length: 10 }, (_, index) => workflow(`deep-${index}.yml`, "[".repeat(1_000))),
      workflow("bomb.yml", ALIAS_BOMB),
      workflow("steps.yml", `${GOOD}${"      - run: x\n".repeat(200_000)}`),
      workflow("long.yml", "a".repeat(3_000_000)),
      { kind: "manifest" as const, path: "action.yml", text: "[".repeat(1_000) },
      { kind: "settings" as const, path: "hearth.yml", text: ALIAS_BOMB },
    ];
    // All are refused by the reader's own limits: the process has lived.
    expect(await rehearse(texts)).toEqual(new Map());
  });

  it("refuses by name what ends the process, or takes too long, and reads the others", async () => {
    const texts = ["good", "abort", "good2", "for ever", "eat", "exit", "good3"].map((text) => workflow(text, text));
    const refused = await rehearse(texts, { textMs: 5_000, memoryMib: 64 }, program());
    expect([...refused.keys()]).toEqual(["abort", "for ever", "eat", "exit"]);
    expect(refused.get("abort")).toContain("SIGABRT");
    expect(refused.get("for ever")).toContain("longer than 5 s");
    expect(refused.get("exit")).toContain("exit code 0");
  });

  it("ends when all of them together take too long", async () => {
    const texts = ["for ever", "good", "good2"].map((text) => workflow(text, text));
    const refused = await rehearse(texts, { textMs: 60_000, allMs: 4_000 }, program());
    expect([...refused.keys()]).toEqual(["for ever", "good", "good2"]);
  });

  it("is a fault when nothing can be started", async () => {
    await expect(rehearse([workflow("a.yml", GOOD)], {}, join(directory, "none.mjs"))).rejects.toThrow(
      /does not start/,
    );
  });
});
