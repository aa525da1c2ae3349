/**
 * A process that keeps one checkpoint after the other and says so, for tests that kill it; at the end it opens
 * all there are. `STATE MEMORY KEY RUN LIMIT FIRST LAST`
 */
import { EngineError } from "../lib/engine-error.ts";
import { createCheckpointStore } from "./checkpoint-store.ts";
import { aDescription, differsFrom, writeMachine } from "./machine-files.fixture.ts";

const [stateDir = "", memoryDir = "", key = "", run = "", limit = "", first = "", last = ""] = process.argv.slice(2);
const store = createCheckpointStore({
  stateDir,
  memoryDir,
  key: Buffer.from(key, "hex"),
  limitBytes: Number(limit),
});

for (let step = Number(first); step <= Number(last); step += 1) {
  await using draft = await store.begin(0);
  writeMachine(draft.directory, step);
  try {
    await draft.keep(aDescription({ run, step }), Buffer.from(`engine before ${step}`));
    process.stdout.write(`kept ${step}\n`);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    process.stdout.write(`refused ${step} ${error.code} ${error.message}\n`);
  }
}

for (const one of await store.list(run)) {
  await using opened = await store.open(one).catch(() => undefined);
  if (opened !== undefined && differsFrom(opened.directory, one.step) === undefined) {
    process.stdout.write(`opened ${one.step}\n`);
  }
}
