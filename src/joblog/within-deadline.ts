/**
 * Runs work that may never end, such as a regular expression that a job brought along, and gives up after a deadline.
 * JavaScript cannot interrupt itself, but V8 can interrupt a script, and its regular expression engine listens while it
 * backtracks. A call costs about 0.1 ms (a watchdog thread), so callers put many small pieces into one. The thread that calls
 * is blocked until the end or the deadline.
 */
import { createContext, Script } from "node:vm";
import type { Context } from "node:vm";

const script = new Script("work()");
/** Made when first needed: it costs a millisecond and most jobs have no matcher. */
let context: Context | undefined;

/** Undefined when the work was cut off. `work` must be synchronous and may be abandoned between any two of its steps. */
export function withinDeadline<Result>(timeoutMs: number, work: () => Result): { readonly result: Result } | undefined {
  context ??= createContext({});
  let result: { readonly result: Result } | undefined;
  context["work"] = () => {
    result = { result: work() };
  };
  try {
    script.runInContext(context, { timeout: timeoutMs });
  } catch (error) {
    if (!isTimeout(error)) throw error;
    return undefined;
  } finally {
    delete context["work"];
  }
  return result;
}

/** The error may come from another realm, so `instanceof` says nothing. */
function isTimeout(error: unknown): boolean {
  return (
    typeof error === "object" && error !== null && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
  );
}
