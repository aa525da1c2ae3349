/** `hearth logs --network`: which outside hosts each step asked for, and what it was told. */
import type { RunEvent } from "../store/run-event.ts";
import type { RunRecord } from "../store/run-record.ts";
import { plainText } from "./display-text.ts";
import { writeTable } from "./table.ts";
import type { Output } from "./terminal.ts";

export type EgressEvent = Extract<RunEvent, { readonly type: "egress" }>;

/** In the order of the record, places that a step asked for several times as one line. */
export function writeNetworkTable(out: Output, events: readonly EgressEvent[], record: RunRecord): void {
  const rows = new Map<string, { readonly cells: readonly string[]; times: number; readonly reason: string }>();
  for (const { job, step, host, port, allowed, times, reason } of events) {
    const key = JSON.stringify([job, step, host, port, allowed]);
    const name = record.jobs.find((known) => known.job === job)?.steps.find((known) => known.step === step)?.name;
    const cells = [job, shortened(`${step} ${name ?? ""}`.trimEnd()), host, port === 0 ? "" : `${port}`];
    const row = rows.get(key) ?? { cells: [...cells, allowed ? "allowed" : "refused"], times: 0, reason: reason ?? "" };
    row.times += times;
    rows.set(key, row);
  }
  const table = [...rows.values()].map(({ cells, times, reason }) => [...cells, `${times}`, reason].map(plainText));
  writeTable(out, ["JOB", "STEP", "HOST", "PORT", "ANSWER", "TIMES", "WHY"], table);
}

/** A step without a name is called by its script. */
function shortened(text: string): string {
  return text.length > MAX_NAME_CHARACTERS ? `${text.slice(0, MAX_NAME_CHARACTERS - 1)}…` : text;
}

const MAX_NAME_CHARACTERS = 40;
