import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CgroupEvents } from "../cgroup.ts";
import { watchMemory } from "./watch-memory.ts";

const WELL: CgroupEvents = { oomKills: 0, refusedTasks: 0, isMemoryFull: false };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Shows the watch `looks`, one after another, the last one for ever; how it ends and whether it was for standing still. */
async function watched(looks: readonly (() => CgroupEvents)[], durationMs: number) {
  let looked = 0;
  let ended = false;
  const sandbox = {
    [Symbol.asyncDispose]: async () => {
      ended = true;
    },
  };
  const events = async () => (looks[Math.min(looked++, looks.length - 1)] ?? (() => WELL))();
  using watch = watchMemory({ events }, sandbox);
  await vi.advanceTimersByTimeAsync(durationMs);
  return { ended, isExhausted: watch.isExhausted() };
}

const full = () => ({ ...WELL, isMemoryFull: true });
const fails = () => {
  throw new Error("no such device");
};

describe("a watched sandbox", () => {
  it("is ended when the kernel has killed one of its processes", async () => {
    expect(await watched([() => WELL, () => ({ ...WELL, oomKills: 1 })], 1_000)).toEqual({
      ended: true,
      isExhausted: false,
    });
  });

  it("is ended when its memory has been full for 5 s", async () => {
    expect(await watched([full], 4_500)).toEqual({ ended: false, isExhausted: false });
    expect(await watched([full], 6_000)).toEqual({ ended: true, isExhausted: true });
  });

  it("is left alone when its memory is full for a while, again and again", async () => {
    const looks = Array.from({ length: 10 }, () => [...Array.from({ length: 15 }, () => full), () => WELL]).flat();
    expect(await watched(looks, 20_000)).toEqual({ ended: false, isExhausted: false });
  });

  it("is left alone when nothing can be learned, and watched on", async () => {
    expect(await watched([fails], 2_000)).toEqual({ ended: false, isExhausted: false });
    expect(await watched([fails, fails, () => ({ ...WELL, oomKills: 1 })], 2_000)).toMatchObject({ ended: true });
  });
});
