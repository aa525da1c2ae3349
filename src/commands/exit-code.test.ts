import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { Cancelled } from "./cancelled.ts";
import { exitCode, exitCodeOfError, exitCodeOfOutcome, worstExitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";

const counts = { declared: 2, ran: 2, skipped: 0, notReached: 0, cancelled: 0 };
const good = { conclusion: "success", error: undefined, counts, durationMs: 1, unsupportedJobs: 0 } as const;

describe("exitCodeOfOutcome", () => {
  it("is 0 for success only", () => {
    expect(exitCodeOfOutcome(good)).toBe(0);
    expect(exitCodeOfOutcome({ ...good, conclusion: "failure" })).toBe(1);
    expect(exitCodeOfOutcome({ ...good, conclusion: "cancelled" })).toBe(130);
    expect(exitCodeOfOutcome({ ...good, conclusion: "skipped", counts: { ...counts, ran: 0, skipped: 2 } })).toBe(4);
  });

  it("never lets a success leave in which nothing ran or steps are unaccounted for", () => {
    expect(exitCodeOfOutcome({ ...good, counts: { ...counts, ran: 0, skipped: 2 } })).toBe(4);
    expect(exitCodeOfOutcome({ ...good, counts: { ...counts, declared: 3 } })).toBe(70);
    expect(exitCodeOfOutcome({ ...good, counts: { ...counts, declared: 0, ran: 0 } })).toBe(4);
  });

  it("is 6 where jobs were left out, unless worse is to be said", () => {
    const left = { ...good, unsupportedJobs: 1 };
    expect(exitCodeOfOutcome(left)).toBe(6);
    expect(exitCodeOfOutcome({ ...left, conclusion: "skipped", counts: { ...counts, ran: 0, skipped: 2 } })).toBe(6);
    expect(exitCodeOfOutcome({ ...left, conclusion: "failure" })).toBe(1);
    expect(exitCodeOfOutcome({ ...left, counts: { ...counts, declared: 3 } })).toBe(70);
    expect(worstExitCode([exitCode.success, exitCode.leftOut, exitCode.nothing])).toBe(6);
  });

  it("tells machine trouble from faults of ours by the error's code", () => {
    expect(exitCodeOfOutcome({ ...good, conclusion: "failure", error: { code: "MACHINE_LOST", message: "" } })).toBe(5);
    expect(exitCodeOfOutcome({ ...good, conclusion: "failure", error: { code: "FATES", message: "" } })).toBe(70);
    expect(exitCodeOfOutcome({ ...good, conclusion: "failure", error: { code: "constructor", message: "" } })).toBe(70);
  });
});

describe("exitCodeOfError", () => {
  it("is the operator's for an EngineError, 130 for a cancellation, 70 for anything else", () => {
    expect(exitCodeOfError(new EngineError("BAD_USAGE", ""))).toBe(2);
    expect(exitCodeOfError(new EngineError("PROVIDER_UNAVAILABLE", ""))).toBe(5);
    expect(exitCodeOfError(new Cancelled())).toBe(130);
    expect(exitCodeOfError(new TypeError("x"))).toBe(70);
    expect(exitCodeOfError("x")).toBe(70);
  });
});

describe("worstExitCode", () => {
  it("puts a fault of ours before machines, those before workflows, failures and cancellations", () => {
    const order: ExitCode[] = [70, 5, 3, 1, 130];
    for (const [index, code] of order.entries())
      expect(worstExitCode([0, 4, ...order.slice(index).toReversed()])).toBe(code);
  });

  it("is success when something ran and the rest was skipped, but `nothing` when nothing ran", () => {
    expect(worstExitCode([4, 0])).toBe(0);
    expect(worstExitCode([4, 4])).toBe(4);
    expect(worstExitCode([])).toBe(4);
  });
});

describe("docs/exit-codes.md", () => {
  const page = readFileSync(new URL("../../docs/exit-codes.md", import.meta.url), "utf8");

  it("has a row for every code", () => {
    const rows = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(rows.toSorted((a, b) => a - b)).toEqual(Object.values(exitCode).toSorted((a, b) => a - b));
  });

  it("has a row for every code of an error, with its exit code, and no others", () => {
    const source = readFileSync(new URL("../lib/engine-error.ts", import.meta.url), "utf8");
    const union = /export type ErrorCode =([^;]*);/u.exec(source)?.[1] ?? "";
    const codes = [...union.matchAll(/"([A-Z_]+)"/gu)].map(([, code = ""]) => code);
    expect(codes.length).toBeGreaterThan(20);
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| \S/gmu)].map(([, code, exit]) => `${code} ${exit}`);
    const expected = codes.map((code) => {
      const exit = exitCodeOfOutcome({ ...good, conclusion: "failure", error: { code, message: "" } });
      return `${code} ${exit}`;
    });
    expect(rows.toSorted()).toEqual(expected.toSorted());
  });
});
