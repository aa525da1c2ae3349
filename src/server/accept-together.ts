/**
 * Deliveries that wait share one transaction, and each is answered after it: a disk that confirms a few hundred writes in a second
 * takes in thousands of deliveries.
 */
import { setImmediate as soon } from "node:timers/promises";
import { fp } from "./fail-point.ts";
import type { Accepted, Deliveries, NewDelivery } from "./server-store.ts";

interface Waiting {
  readonly delivery: NewDelivery;
  readonly resolve: (accepted: Accepted) => void;
  readonly reject: (error: unknown) => void;
}

const MAX_TOGETHER = 128;

/** Resolves when it is durable; rejects with what the store throws, and then none of those that shared the transaction is kept. */
export function acceptTogether(
  deliveries: Pick<Deliveries, "acceptAll">,
): (delivery: NewDelivery) => Promise<Accepted> {
  let waiting: Waiting[] = [];
  let isFlushing = false;

  async function flush(): Promise<void> {
    isFlushing = true;
    // Everything that has come in meanwhile is read before this goes on.
    for (await soon(); waiting.length > 0; await soon()) {
      const batch = waiting.slice(0, MAX_TOGETHER);
      waiting = waiting.slice(MAX_TOGETHER);
      try {
        fp("before_accept");
        const accepted = deliveries.acceptAll(batch.map(({ delivery }) => delivery));
        fp("after_accept");
        for (const [index, one] of batch.entries()) {
          const answer = accepted[index];
          if (answer === undefined) one.reject(new Error("the store answered fewer deliveries than it was given"));
          else one.resolve(answer);
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isFlushing = false;
  }

  return (delivery) =>
    new Promise((resolve, reject) => {
      waiting.push({ delivery, resolve, reject });
      if (!isFlushing) void flush();
    });
}
