/**
 * Ends a sandbox whose memory is used up. The kernel kills one of its processes, often one that only holds the guest's memory:
 * the sandbox then goes on, stands still or ends, as it happens; or nothing is killed and it stands still at its limit. So that
 * what happened is seen soon, and always in the same way, it is ended. A cgroup of v2 ends it at the first kill by itself.
 */
import type { Cgroup } from "../cgroup.ts";

export interface MemoryWatch extends Disposable {
  /** It was ended because it stood still. */
  isExhausted(): boolean;
}

const LOOK_MS = 250;
/** In a row: 5 s, of which a sandbox that still gets on passes none. */
const FULL_LOOKS = 20;

/** Without a cgroup there is nothing to watch. */
export function watchMemory(cgroup: Pick<Cgroup, "events"> | undefined, sandbox: AsyncDisposable): MemoryWatch {
  let full = 0;
  const look = async (events: Cgroup["events"]): Promise<void> => {
    const { oomKills, isMemoryFull } = await events();
    full = isMemoryFull ? full + 1 : 0;
    if (oomKills > 0 || full >= FULL_LOOKS) await sandbox[Symbol.asyncDispose]();
  };
  let looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    if (cgroup === undefined || looking !== undefined) return;
    // A host that cannot say it now is asked again.
    looking = look(cgroup.events).catch(() => undefined);
    void looking.then(() => (looking = undefined));
  }, LOOK_MS);
  timer.unref();
  return {
    isExhausted: () => full >= FULL_LOOKS,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
