/**
 * What the machine reached and was refused enters the record with the step that runs then: of steps beside each other, with the
 * one that ends first. A host's name may hold a secret that somebody tried to send away by asking for it, so it is masked.
 */
import type { EgressEntry } from "./egress-ledger.ts";
import type { JobRun } from "./job-run.ts";

interface Recorded extends Pick<JobRun, "emit"> {
  readonly machine: Pick<JobRun["machine"], "egress">;
  readonly masker: Pick<JobRun["masker"], "mask">;
  readonly instance: Pick<JobRun["instance"], "key">;
}

/** Gives back what was refused, one line each, for the step's own log. Cheap where there is nothing. */
export function recordEgress({ machine, emit, masker, instance }: Recorded, step: string): readonly string[] {
  const entries = machine.egress.take();
  for (const { host, port, allowed, reason, times } of entries) {
    const said = reason === undefined ? {} : { reason: masker.mask(reason) };
    emit({ type: "egress", job: instance.key, step, host: masker.mask(host), port, allowed, times, ...said });
  }
  return entries.filter(({ allowed }) => !allowed).map(refusalLine);
}

function refusalLine({ host, port, reason }: EgressEntry): string {
  return `hearth: refused ${host}:${port}: ${reason ?? "not allowed"}`;
}
