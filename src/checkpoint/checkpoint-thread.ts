/** The thread in which a store's bytes are cut, encrypted, written and read: one for each store, its calls one after another but for waits. */
import { rmSync } from "node:fs";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { EngineError } from "../lib/engine-error.ts";
import { createKnownChunks } from "./known-chunks.ts";
import { removeIndexes } from "./make-room.ts";
import { readCheckpoint } from "./read-checkpoint.ts";
import { deriveKeys } from "./sealed-object.ts";
import { lockShelf, makeShelf, removeUnusedPacks, stemOf } from "./shelf.ts";
import type { KeptIndex, Shelf } from "./shelf.ts";
import type { AnsweredCall, AskedCall, StoreAnswer, StoreCall, ThreadSettings } from "./store-calls.ts";
import { makeWorkDirectory, sweepWorkDirectories } from "./work-directory.ts";
import { writeCheckpoint } from "./write-checkpoint.ts";

/** Never throws. */
function createAnswers({ directory, key, limitBytes }: ThreadSettings): (call: StoreCall) => Promise<StoreAnswer> {
  const shelf: Shelf = { directory, keys: deriveKeys(Buffer.from(key)) };
  const known = createKnownChunks(shelf);

  async function keep({ description, engine, source }: Extract<StoreCall, { kind: "keep" }>): Promise<StoreAnswer> {
    makeShelf(shelf);
    await sweepWorkDirectories(directory);
    const work = makeWorkDirectory(directory);
    try {
      const request = { description, engine: Buffer.from(engine), source, work, limitBytes };
      return { kind: "kept", stored: await writeCheckpoint(shelf, known, request) };
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }

  async function remove({ which }: Extract<StoreCall, { kind: "remove" }>): Promise<StoreAnswer> {
    makeShelf(shelf);
    await sweepWorkDirectories(directory);
    await using lock = await lockShelf(shelf);
    const found = removeUnusedPacks(shelf).indexes.filter((index) => isMeant(index, which, shelf));
    removeIndexes(shelf, found, 0.5);
    return { kind: "removed", count: found.length };
  }

  async function answer(call: StoreCall): Promise<StoreAnswer> {
    if (call.kind === "keep") return keep(call);
    if (call.kind === "remove") return remove(call);
    const read = readCheckpoint(shelf, call.checkpoint, call.target);
    return read === undefined ? { kind: "absent" } : { kind: "opened", ...read };
  }

  return (call) => answer(call).catch(asAnswer);
}

function isMeant(
  { stem, description }: KeptIndex,
  which: Extract<StoreCall, { kind: "remove" }>["which"],
  shelf: Shelf,
) {
  if (which === "all") return true;
  return "job" in which ? stem === stemOf(which, shelf.keys) : description?.run === which.run;
}

function asAnswer(error: unknown): StoreAnswer {
  if (error instanceof EngineError) {
    const { code, message, hint } = error;
    return { kind: "refused", code, message, hint };
  }
  if (error instanceof Error && "errno" in error) return { kind: "failed", reason: error.message };
  return { kind: "broken", stack: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

const port = parentPort;
if (!isMainThread && port !== null) {
  const settings: ThreadSettings = workerData;
  const answer = createAnswers(settings);
  port.on("message", ({ id, call }: AskedCall) => {
    void answer(call).then((answered) => port.postMessage({ id, answer: answered } satisfies AnsweredCall));
  });
}
