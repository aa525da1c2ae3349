/**
 * How many machines to keep ready. Pure: as many as are asked for while one is being made, between a minimum and a maximum, and no
 * more than a share of the memory that is free.
 */
export interface PoolSizeFacts {
  readonly min: number;
  /** 0: no machine is made ahead. */
  readonly max: number;
  readonly arrivalsPerSecond: number;
  /** How long one takes to make. */
  readonly provisionSeconds: number;
  /** What machines could still be given, those that are ready counted as free. */
  readonly freeMib: number;
  /** Of one machine. */
  readonly machineMib: number;
}

/** The rest is left for machines that are asked for now. */
const MEMORY_SHARE = 0.5;
/** A machine that waits longer than this is renewed; where less than one run comes in that time none is kept. */
export const MAX_AGE_SECONDS = 600;

export function poolSize(facts: PoolSizeFacts): number {
  const { min, max, arrivalsPerSecond, provisionSeconds, freeMib, machineMib } = facts;
  const comes = arrivalsPerSecond * MAX_AGE_SECONDS >= 1;
  const expected = comes ? Math.ceil(arrivalsPerSecond * provisionSeconds) : 0;
  const affordable = Math.floor((Math.max(0, freeMib) * MEMORY_SHARE) / Math.max(1, machineMib));
  return Math.max(0, Math.min(Math.max(expected, min), max, affordable));
}

export interface Arrivals {
  /** Per second, as it was at `atMs`. */
  readonly rate: number;
  readonly atMs: number;
}

export const NO_ARRIVALS: Arrivals = { rate: 0, atMs: 0 };

/** After so long without an arrival the rate is down to 1/e: runs come in bursts. */
const MEMORY_MS = 60_000;

/** One more has come. */
export function arrived({ rate, atMs }: Arrivals, nowMs: number): Arrivals {
  return { rate: rateAt({ rate, atMs }, nowMs) + 1000 / MEMORY_MS, atMs: Math.max(atMs, nowMs) };
}

/** A clock that steps back changes nothing. */
export function rateAt({ rate, atMs }: Arrivals, nowMs: number): number {
  return rate * Math.exp(-Math.max(0, nowMs - atMs) / MEMORY_MS);
}
