import { describe, expect, it } from "vitest";
import { untilAborted, withDeadline } from "./deadline.ts";

const never = new Promise<never>(() => undefined);
const fail = () => {
  throw new Error("late");
};

describe("withDeadline", () => {
  it("settles as the promise does when that comes first", async () => {
    await expect(withDeadline(Promise.resolve(1), 10_000, () => 2)).resolves.toBe(1);
    await expect(withDeadline(Promise.reject(new Error("no")), 10_000, () => 2)).rejects.toThrow("no");
  });

  it("takes what late returns, or throws, when the time is up", async () => {
    await expect(withDeadline<number>(never, 1, () => 2)).resolves.toBe(2);
    await expect(withDeadline(never, 1, fail)).rejects.toThrow("late");
  });
});

describe("untilAborted", () => {
  it("rejects with the signal's reason, before and while it waits", async () => {
    const reason = new Error("stop");
    await expect(untilAborted(never, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = untilAborted(never, controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  it("settles as the promise does when nothing is aborted", async () => {
    await expect(untilAborted(Promise.resolve(1), new AbortController().signal)).resolves.toBe(1);
  });
});
