/** What a kept run came to, read as a whole. */
import type { RunEvent } from "../store/run-event.ts";
import { applyEvent, emptyRecord } from "../store/run-record.ts";
import type { RunRecord } from "../store/run-record.ts";
import type { RunStore, StoredRun } from "../store/run-store.ts";

/** `onEvent` sees every event, for what a record does not keep. */
export async function readRecord(
  store: RunStore,
  { run }: StoredRun,
  onEvent?: (event: RunEvent) => void,
): Promise<RunRecord> {
  const record = emptyRecord();
  for await (const event of store.read(run)) {
    applyEvent(record, event);
    onEvent?.(event);
  }
  return record;
}
