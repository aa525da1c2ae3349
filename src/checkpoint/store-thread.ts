/** Asks the thread of a store, which is started when it is first needed and keeps no process from ending while nothing is asked. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { EngineError } from "../lib/engine-error.ts";
import type { AnsweredCall, AskedCall, StoreAnswer, StoreCall, ThreadSettings } from "./store-calls.ts";

type Done = Exclude<StoreAnswer, { kind: "refused" | "failed" | "broken" }>;

/** `what` is said of a failure: `Cannot keep a checkpoint`. */
export type AskThread = (call: StoreCall, what: string) => Promise<Done>;

interface Pending {
  readonly resolve: (answer: StoreAnswer) => void;
  readonly reject: (error: Error) => void;
}

export function createStoreThread(settings: ThreadSettings): AskThread {
  const pending = new Map<number, Pending>();
  let worker: Worker | undefined;
  let calls = 0;

  function start(): Worker {
    // Without the flags of this process, some of which no thread may have.
    const started = new Worker(program(), { workerData: settings, execArgv: [], name: "checkpoints" });
    const end = (error: Error): void => {
      if (worker === started) worker = undefined;
      for (const { reject } of pending.values()) reject(error);
      pending.clear();
    };
    started.on("message", ({ id, answer }: AnsweredCall) => {
      pending.get(id)?.resolve(answer);
      pending.delete(id);
      if (pending.size === 0) started.unref();
    });
    started.on("error", (error) => end(error instanceof Error ? error : new Error(String(error))));
    started.on("exit", (code) => end(new Error(`the thread of the checkpoints ended with ${code}`)));
    return started;
  }

  return async (call, what) => {
    const thread = (worker ??= start());
    const id = ++calls;
    const answer = await new Promise<StoreAnswer>((resolve, reject) => {
      pending.set(id, { resolve, reject });
      thread.ref();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage({ id, call } satisfies AskedCall);
    });
    switch (answer.kind) {
      case "refused":
        throw new EngineError(answer.code, answer.message, { hint: answer.hint });
      case "failed":
        throw new EngineError("STATE_UNWRITABLE", `${what}: ${answer.reason}`, {
          hint: `They are in ${settings.directory}; \`hearth checkpoints rm\` gives space back.`,
        });
      case "broken":
        throw new Error(`${what}: ${answer.stack}`);
      default:
        return answer;
    }
  };
}

/** Beside the release, or the source when Hearth runs from those. */
function program(): string {
  const released = join(import.meta.dirname, "checkpoint-thread.js");
  return existsSync(released) ? released : join(import.meta.dirname, "checkpoint-thread.ts");
}
