import { Semaphore } from "../lib/semaphore.ts";
import type { Hearth } from "./hearth.ts";

/** The same work so many times, told which one it is, from 1; so many of it at a time as workflows may run. Throws when all of it has ended. */
export async function inPlaces<T>(
  { concurrency }: Pick<Hearth, "concurrency">,
  times: number,
  work: (number: number) => Promise<T>,
): Promise<readonly T[]> {
  const places = new Semaphore(Math.max(1, concurrency));
  const ended = await Promise.allSettled(
    Array.from({ length: times }, async (_, index) => {
      using place = await places.acquire();
      return await work(index + 1);
    }),
  );
  return ended.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}
