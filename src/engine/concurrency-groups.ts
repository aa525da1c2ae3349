/**
 * `concurrency:` of workflows and jobs (ACTIONS-CONTRACT §3.6): one holder of a group at a time, and one that waits, or with
 * `queue: max` a line of them. Every run of one process shares one of these; runs of other processes are not seen.
 */

export interface ConcurrencyRequest {
  /** `owner/name`: groups of two repositories are two groups. */
  readonly repository: string;
  /** Compared without regard to case. */
  readonly group: string;
  readonly cancelInProgress: boolean;
  readonly queue: "single" | "max";
  /** Ends the wait. */
  readonly signal: AbortSignal;
  /** Called once, when another wants the group and cancels this one: waiting or holding. */
  readonly onCancel: (reason: string) => void;
}

export interface ConcurrencyGroups {
  /** Resolves with the hold on the group, or with undefined when it was cancelled while waiting. `onWait` is called where it has to wait. */
  enter(request: ConcurrencyRequest, onWait: () => void): Promise<Disposable | undefined>;
}

interface Group {
  holder: ConcurrencyRequest | undefined;
  readonly waiting: Waiter[];
}

interface Waiter {
  readonly request: ConcurrencyRequest;
  readonly settle: (hold: Disposable | undefined) => void;
}

/** A group with more in its line than this refuses the newest. */
const MAX_WAITING = 100;

export function createConcurrencyGroups(): ConcurrencyGroups {
  const groups = new Map<string, Group>();

  const hold = (key: string, group: Group, request: ConcurrencyRequest): Disposable => {
    group.holder = request;
    return {
      [Symbol.dispose]() {
        if (group.holder !== request) return;
        group.holder = undefined;
        const next = group.waiting.shift();
        if (next === undefined) groups.delete(key);
        else next.settle(hold(key, group, next.request));
      },
    };
  };

  return {
    enter(request, onWait) {
      const key = `${request.repository} ${request.group}`.toLowerCase();
      const group = groups.get(key) ?? { holder: undefined, waiting: [] };
      groups.set(key, group);
      if (request.signal.aborted) return Promise.resolve(undefined);
      if (group.holder === undefined) return Promise.resolve(hold(key, group, request));
      if (request.cancelInProgress)
        group.holder.onCancel(`another of the concurrency group '${request.group}' started`);
      if (request.queue === "single") cancelWaiting(group, request.group);
      else if (group.waiting.length >= MAX_WAITING) {
        request.onCancel(`more than ${MAX_WAITING} wait for the concurrency group '${request.group}'`);
        return Promise.resolve(undefined);
      }
      onWait();
      return new Promise((settle) => {
        const waiter: Waiter = { request, settle };
        group.waiting.push(waiter);
        request.signal.addEventListener("abort", () => {
          const index = group.waiting.indexOf(waiter);
          if (index < 0) return;
          group.waiting.splice(index, 1);
          settle(undefined);
        });
      });
    },
  };
}

function cancelWaiting(group: Group, name: string): void {
  for (const { request, settle } of group.waiting.splice(0)) {
    request.onCancel(`a newer one waits for the concurrency group '${name}'`);
    settle(undefined);
  }
}
