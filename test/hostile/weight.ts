/** What `weigh.ts` prints and `weight.test.ts` reads. */
import { number, object, string } from "zod/mini";
import type { infer as Infer } from "zod/mini";

export const Weight = object({
  /** Of the processor: a host that does other things as well changes it little. */
  ms: number(),
  /** The most that the process ever held. */
  peakMib: number(),
  /** The first message, or a word for what was made. */
  outcome: string(),
});
export type Weight = Infer<typeof Weight>;
