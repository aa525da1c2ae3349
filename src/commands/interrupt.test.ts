import { expect, it } from "vitest";
import { Cancelled } from "./cancelled.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { withInterrupt } from "./interrupt.ts";

it("aborts the work on Ctrl-C, waits until it has cleaned up, and reports the cancellation whatever it threw", async () => {
  const terminal = fakeTerminal();
  const done: string[] = [];
  const work = withInterrupt(terminal, async (signal) => {
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve);
    });
    done.push("cleaned up");
    throw new Error("mmdebstrap ended with 130");
  });
  terminal.interrupt();
  await expect(work).rejects.toBeInstanceOf(Cancelled);
  expect(done).toEqual(["cleaned up"]);
  expect(terminal.listeners()).toBe(0);
});

it("leaves other failures as they are", async () => {
  const terminal = fakeTerminal();
  await expect(withInterrupt(terminal, () => Promise.reject(new Error("disk full")))).rejects.toThrow("disk full");
  expect(terminal.listeners()).toBe(0);
});
