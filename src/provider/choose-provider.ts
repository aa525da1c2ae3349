/**
 * Which provider a run uses when none is named: the best isolation that this host can make, never one that isolates nothing.
 * There is no silent step down: what was named is used or refused (DESIGN §1.6, §4).
 */
import { EngineError } from "../lib/engine-error.ts";
import type { Isolation, Provider, ProviderName } from "./provider.ts";

/** Makes a provider only when it is asked for: some cost time to load. */
export interface Candidate {
  readonly name: ProviderName;
  readonly load: () => Promise<Provider>;
}

export interface ChosenProvider {
  readonly provider: Provider;
  readonly isolation: Isolation;
  /** Completes the header: `asked for`, or why the better ones were passed over. */
  readonly why: string;
}

/** `candidates` in order of preference. Throws PROVIDER_UNAVAILABLE with every fix when none works. */
export async function chooseProvider(candidates: readonly Candidate[]): Promise<ChosenProvider> {
  const passedOver: { name: ProviderName; reason: string; fix: string }[] = [];
  for (const { name, load } of candidates) {
    const provider = await load();
    const probe = await provider.probe();
    if (probe.ok) {
      const { isolation } = probe;
      const why = passedOver.map(({ name, reason }) => `no ${name}: ${reason}`).join("; ");
      return { provider, isolation, why };
    }
    passedOver.push({ name, reason: probe.reason, fix: probe.fix });
  }
  throw new EngineError(
    "PROVIDER_UNAVAILABLE",
    `Cannot make a machine here: ${passedOver.map(({ name, reason }) => `${name}: ${reason}`).join("; ")}`,
    { hint: passedOver.map(({ fix }) => fix).join("; or ") },
  );
}

/** The one that was named, or the reason why not. */
export async function requireProvider(candidate: Candidate): Promise<ChosenProvider> {
  const provider = await candidate.load();
  const probe = await provider.probe();
  if (probe.ok) return { provider, isolation: probe.isolation, why: "asked for" };
  throw new EngineError("PROVIDER_UNAVAILABLE", `Cannot use ${candidate.name}: ${probe.reason}`, { hint: probe.fix });
}

/** Throws PROVIDER_UNAVAILABLE where `chosen` would isolate less than `own` does: only the operator may step down (DESIGN §1.6). */
export function requireNoLessIsolation({ provider, isolation }: ChosenProvider, own: Isolation): void {
  if (STRENGTH[isolation] >= STRENGTH[own]) return;
  throw new EngineError(
    "PROVIDER_UNAVAILABLE",
    `Cannot use ${provider.name} for this job: ${isolation} isolates less than the run's own ${own}`,
    { hint: `--provider ${provider.name} allows it, for the whole run.` },
  );
}

const STRENGTH: { readonly [isolation in Isolation]: number } = {
  "none (fake)": 0,
  "none (host)": 0,
  "microVM (QEMU, emulated: not a security boundary)": 1,
  "sandbox (gVisor)": 2,
  "microVM (QEMU, KVM)": 3,
  "microVM (QEMU, HVF)": 3,
  "microVM (Firecracker, no jailer)": 3,
  "microVM (Firecracker)": 3,
};
