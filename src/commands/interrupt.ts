/** Ctrl-C for work that is not a run: the first aborts it, and what it was doing is undone before the process ends. */
import { Cancelled } from "./cancelled.ts";
import type { Terminal } from "./terminal.ts";

/** Throws `Cancelled` when the work ended because of Ctrl-C. */
export async function withInterrupt<T>(terminal: Terminal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const stopListening = terminal.onInterrupt(() => abort.abort(new Cancelled()));
  try {
    return await work(abort.signal);
  } catch (error) {
    // Whatever an aborted piece of work throws, the cause was the person (HOUSE-STYLE: reported as the abort).
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    stopListening();
  }
}
