/**
 * What a machine asked to reach outside since somebody last looked: hosts with how often, allowed or refused. Bounded, because a
 * machine may ask for a million names. Pure; the decisions are the network policy's.
 */
import type { NetworkDecision } from "../service/services.ts";

export interface EgressEntry extends NetworkDecision {
  /** How often it was asked for. */
  readonly times: number;
}

export interface EgressLedger {
  note(decision: NetworkDecision): void;
  /** In the order of first sight; what was taken is forgotten. */
  take(): readonly EgressEntry[];
}

/** Entries between two looks, of each kind; what comes after them is counted together. */
export const MAX_EGRESS_ENTRIES = 1_000;

export function createEgressLedger(): EgressLedger {
  let entries = new Map<string, { readonly decision: NetworkDecision; times: number }>();
  const count = (key: string, decision: NetworkDecision): void => {
    const entry = entries.get(key) ?? { decision, times: 0 };
    entry.times += 1;
    entries.set(key, entry);
  };
  return {
    note(decision) {
      const key = JSON.stringify([decision.host, decision.port, decision.allowed]);
      if (entries.has(key) || entries.size < MAX_EGRESS_ENTRIES) return count(key, decision);
      const { allowed } = decision;
      const reason = `beyond ${MAX_EGRESS_ENTRIES} hosts`;
      count(`others ${allowed}`, { host: "others", port: 0, allowed, reason });
    },
    take() {
      const taken = [...entries.values()].map(({ decision, times }) => ({ ...decision, times }));
      entries = new Map();
      return taken;
    },
  };
}
