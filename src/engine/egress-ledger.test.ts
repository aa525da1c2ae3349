import { describe, expect, it } from "vitest";
import { createEgressLedger, MAX_EGRESS_ENTRIES } from "./egress-ledger.ts";

const decision = { host: "example.com", port: 443, allowed: true, reason: undefined };

describe("createEgressLedger", () => {
  it("counts what was asked for again, keeps allowed and refused apart, and forgets what was taken", () => {
    const ledger = createEgressLedger();
    const refused = { ...decision, allowed: false, reason: "TLS asks for another name" };
    for (const one of [decision, refused, decision, { ...decision, port: 80 }]) ledger.note(one);
    expect(ledger.take()).toEqual([
      { ...decision, times: 2 },
      { ...refused, times: 1 },
      { ...decision, port: 80, times: 1 },
    ]);
    expect(ledger.take()).toEqual([]);
  });

  it("keeps a thousand hosts and counts the rest together, however many a machine makes up", () => {
    const ledger = createEgressLedger();
    for (let at = 0; at < MAX_EGRESS_ENTRIES + 50; at++) {
      ledger.note({ ...decision, host: `h${at}.example`, allowed: false, reason: "closed" });
    }
    ledger.note({ ...decision, host: "h0.example", allowed: false, reason: "closed" });
    const taken = ledger.take();
    expect(taken).toHaveLength(MAX_EGRESS_ENTRIES + 1);
    expect(taken[0]).toMatchObject({ host: "h0.example", times: 2 });
    expect(taken.at(-1)).toMatchObject({ host: "others", port: 0, allowed: false, times: 50 });
  });
});
