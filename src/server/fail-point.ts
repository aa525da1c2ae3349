/**
 * Places where a test may end this process at once, as a power cut would: between what is durable and what is said of it. Nothing arms
 * them outside of tests. Source: SECURITY-RELIABILITY §4.4.
 */

/** Closed set; `fail-point.test.ts` fails when one of them is in no code or is never exercised. */
export const FAIL_POINTS = [
  "in_migration",
  "before_accept",
  "in_accept",
  "after_accept",
  "after_answer",
  "before_mirror",
  "after_checkout",
  "after_rehearsal",
  "before_settle",
  "in_settle",
  "after_settle",
  "in_claim",
  "after_claim",
  "in_complete",
  "after_complete",
  "in_recover",
] as const;

export type FailPoint = (typeof FAIL_POINTS)[number];

let armed: { readonly name: FailPoint; left: number } | undefined;

/** The process is killed when it comes to that place for the `nth` time. */
export function armFailPoint(name: FailPoint, nth = 1): void {
  armed = { name, left: nth };
}

export function fp(name: FailPoint): void {
  if (armed === undefined || armed.name !== name) return;
  armed.left -= 1;
  if (armed.left === 0) process.kill(process.pid, "SIGKILL");
}
