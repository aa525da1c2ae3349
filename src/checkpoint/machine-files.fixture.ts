/** Machines for tests: pages that are the same for the same numbers, most of them alike from step to step, with zeros between. */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckpointDescription } from "./checkpoint-store.ts";
import { PAGE_BYTES } from "./page-chunks.ts";

export function aDescription(given: Partial<CheckpointDescription> = {}): CheckpointDescription {
  return {
    run: "run00000001",
    job: "build",
    step: 1,
    stepName: "Run make",
    provider: "gvisor",
    at: new Date(Date.UTC(2026, 10, 22) + (given.step ?? 1) * 1000).toISOString(),
    tookMs: 20,
    ...given,
  };
}

/** Xorshift: no page is like another, but for the same seed. `seed` is not 0. */
export function aPage(seed: number): Buffer {
  const words = new Uint32Array(PAGE_BYTES / 4);
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return Buffer.from(words.buffer);
}

/** What the machine's memory is before a step: of its pages every tenth is this step's own, every third is zeros. */
export function memoryBefore(step: number, pages = 600): Buffer {
  const zeros = Buffer.alloc(PAGE_BYTES);
  return Buffer.concat(
    Array.from({ length: pages }, (_, page) => {
      if (Math.trunc(page / 20) % 3 === 0) return zeros;
      return aPage(Math.trunc(page / 20) % 10 === step % 10 ? step * 100_000 + page + 1 : page + 1);
    }),
  );
}

export function writeMachine(directory: string, step: number): void {
  mkdirSync(join(directory, "disk"));
  writeFileSync(join(directory, "pages.img"), memoryBefore(step));
  writeFileSync(join(directory, "checkpoint.img"), `kernel before ${step}`);
  writeFileSync(join(directory, "disk/empty"), "");
}

/** Why it is not the machine before that step; undefined: it is. */
export function differsFrom(directory: string, step: number): string | undefined {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).toSorted().join(" ");
  if (names !== "checkpoint.img disk disk/empty pages.img") return `it has ${names}`;
  if (!readFileSync(join(directory, "pages.img")).equals(memoryBefore(step))) return "its pages differ";
  return readFileSync(join(directory, "checkpoint.img"), "utf8") === `kernel before ${step}` ? undefined : "it differs";
}
