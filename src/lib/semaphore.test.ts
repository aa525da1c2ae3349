import { describe, expect, it } from "vitest";
import { Semaphore } from "./semaphore.ts";

describe("Semaphore", () => {
  it("lets so many in at a time, the others in the order they asked", async () => {
    const semaphore = new Semaphore(2);
    const order: string[] = [];
    const first = await semaphore.acquire();
    const second = await semaphore.acquire();
    const third = semaphore.acquire().then((place) => (order.push("third"), place));
    const fourth = semaphore.acquire().then((place) => (order.push("fourth"), place));
    await Promise.resolve();
    expect(order).toEqual([]);
    second[Symbol.dispose]();
    await third;
    first[Symbol.dispose]();
    await fourth;
    expect(order).toEqual(["third", "fourth"]);
  });

  it("takes a place back once, however often it is given", async () => {
    const semaphore = new Semaphore(1);
    const place = await semaphore.acquire();
    place[Symbol.dispose]();
    place[Symbol.dispose]();
    await semaphore.acquire();
    let entered = false;
    void semaphore.acquire().then(() => (entered = true));
    await Promise.resolve();
    expect(entered).toBe(false);
  });
});
