import { expect, it } from "vitest";
import type { RunEventBody } from "../store/run-event.ts";
import { createEgressLedger } from "./egress-ledger.ts";
import { recordEgress } from "./record-egress.ts";

it("records each place once with the step, refusals with their reason, and never a secret that a name carries out", () => {
  const events: RunEventBody[] = [];
  const egress = createEgressLedger();
  const job = {
    emit: (event: RunEventBody) => void events.push(event),
    machine: { egress },
    masker: { mask: (text: string) => text.replaceAll("s3cret", "***") },
    instance: { key: "build" },
  };
  egress.note({ host: "a.example", port: 443, allowed: true, reason: undefined });
  egress.note({ host: "a.example", port: 443, allowed: true, reason: undefined });
  egress.note({ host: "s3cret.evil.example", port: 443, allowed: false, reason: "no s3cret.evil.example" });
  expect(recordEgress(job, "2")).toEqual(["hearth: refused s3cret.evil.example:443: no s3cret.evil.example"]);
  const place = { type: "egress", job: "build", step: "2", port: 443 };
  expect(events).toEqual([
    { ...place, host: "a.example", allowed: true, times: 2 },
    { ...place, host: "***.evil.example", allowed: false, times: 1, reason: "no ***.evil.example" },
  ]);
  expect(recordEgress(job, "3")).toEqual([]);
  expect(events).toHaveLength(2);
});
