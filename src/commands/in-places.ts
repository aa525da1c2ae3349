import { Semaphore } from "../lib/semaphore.ts";
import type { Hearth } from "./hearth.ts";

/** The same work so many times, told which one it is, from 1; so many of it at a time as workflows may run. */
export async function inPlaces<T>(
  { concurrency }: Pick<Hearth, "concurrency">,
  times: number,
  work: (number: number) => Promise<T>,
): Promise<readonly T[]> {
  const places = new Semaphore(Math.max(1, concurrency));
  return Promise.all(
    Array.from({ length: times }, async (_, index) => {
      using place = await places.acquire();
      return await work(index + 1);
    }),
  );
}
