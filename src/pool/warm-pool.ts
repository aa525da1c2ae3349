/**
 * Machines made before they are asked for. What a run gets is a machine that nobody's code has run on, of exactly the shape it
 * asked for, whose agent may have been woken; it is handed out once. Everything here happens beside the runs: nothing is made
 * while a run waits for a machine, ready ones are given up when a run waits for their memory, and a pool that cannot make
 * any leaves runs as they were without it.
 */
import { untilAborted } from "../lib/deadline.ts";
import type { Machine, MachineSpec, Provider } from "../provider/provider.ts";
import { provisionIn } from "../queue/admission.ts";
import type { Admission, Place } from "../queue/admission.ts";
import { MAX_AGE_SECONDS, NO_ARRIVALS, arrived, poolSize, rateAt } from "./pool-size.ts";

export interface PoolSettings {
  /** Makes the machines. */
  readonly provider: Provider;
  readonly admission: Pick<Admission, "admitAhead" | "someoneWaits" | "freeMib">;
  /** 0: off. */
  readonly max: number;
  /** Changes when what such a machine starts from is replaced: a machine made before is not handed out. */
  readonly version: (spec: MachineSpec) => Promise<string>;
  /** Does what need not wait for the run; a machine for which it throws is given up. Undefined: machines are as they were made. */
  readonly wake?: (machine: Machine) => Promise<void>;
  /** In ms, monotonic. */
  readonly now: () => number;
  /** Unique on this host, `[a-z0-9-]{1,40}`. */
  readonly newId: () => string;
}

export interface WarmPool extends AsyncDisposable {
  /** Hands out what is ready, and has `cold` make the others. `run`: as in `Wish`. */
  over(cold: Provider, run: string | undefined): Provider;
  /** So many runs are to come; undefined: not known, so guessed from those that came. */
  expect(runs: number | undefined): void;
  /** Destroys what is ready: a run waits for its memory. */
  giveUp(): void;
  /** Looks after age, image, memory and number. Called by itself every second. */
  tend(): Promise<void>;
  metrics(): PoolMetrics;
}

export interface PoolMetrics {
  readonly ready: number;
  readonly takenWarm: number;
  readonly takenCold: number;
  readonly made: number;
  /** Ended by themselves while they were ready, or could not be made. */
  readonly died: number;
  /** How long runs waited for their machine, warm or cold: how many at most so many ms, the last without a bound. */
  readonly waitMs: readonly { readonly atMost: number; readonly count: number }[];
  /** All of these waits together, in ms. */
  readonly waitedMs: number;
}

interface Warm {
  readonly machine: Machine;
  readonly place: Place;
  readonly shape: string;
  readonly version: string;
  readonly madeAtMs: number;
}

interface Making {
  readonly shape: string;
  /** Somebody waits for this very one. */
  promised: boolean;
  /** Undefined: it could not be made. */
  readonly result: Promise<Warm | undefined>;
}

const TEND_MS = 1_000;
const BACK_OFF_MS = { least: 2_000, most: 60_000 };
const WAIT_BOUNDS_MS = [10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, Number.POSITIVE_INFINITY];

export function createWarmPool(settings: PoolSettings): WarmPool {
  const { provider, admission, max, now } = settings;
  let ready: Warm[] = [];
  const making = new Set<Making>();
  const ending = new Set<Promise<void>>();
  const closing = new AbortController();
  const counts = { takenWarm: 0, takenCold: 0, made: 0, died: 0 };
  const waits = WAIT_BOUNDS_MS.map((atMost) => ({ atMost, count: 0 }));
  let waitedMs = 0;
  /** What was asked for last: the next run asks for the same, more often than not. */
  let wanted: MachineSpec | undefined;
  let arrivals = NO_ARRIVALS;
  let provisionSeconds = 1;
  let expected: number | undefined;
  let coldUnderWay = 0;
  let failures = 0;
  let retryAtMs = Number.NEGATIVE_INFINITY;
  let tending: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  function end({ machine }: Warm): void {
    // It has been given up: whatever its end comes to changes nothing for anybody.
    const ended = Promise.resolve(machine[Symbol.asyncDispose]())
      .catch(() => undefined)
      .finally(() => ending.delete(ended));
    ending.add(ended);
  }

  function keep(warm: Warm | undefined): void {
    if (warm === undefined) return;
    if (closing.signal.aborted) return end(warm);
    ready.push(warm);
    void warm.machine.lost.then(() => {
      if (!ready.includes(warm)) return;
      ready = ready.filter((other) => other !== warm);
      failed();
      end(warm);
    });
  }

  function failed(): void {
    counts.died += 1;
    retryAtMs = now() + Math.min(BACK_OFF_MS.most, BACK_OFF_MS.least * 2 ** failures);
    failures += 1;
  }

  function drop(which: (warm: Warm) => boolean): void {
    const dropped = ready.filter(which);
    ready = ready.filter((warm) => !dropped.includes(warm));
    dropped.forEach(end);
  }

  async function make(spec: MachineSpec, isPromised: () => boolean): Promise<Warm | undefined> {
    const startedAtMs = now();
    const ahead = { ...spec, id: settings.newId() };
    try {
      // Before it is begun: what is replaced meanwhile may or may not be in it.
      const version = await settings.version(spec);
      const place = await admission.admitAhead({ spec: ahead, provider, run: undefined });
      if (place === undefined) return undefined;
      const machine = await provisionIn(place, async () => {
        closing.signal.throwIfAborted();
        const made = await provider.provision(ahead, closing.signal);
        // Whoever waits for this very one wakes it no later than we would.
        return isPromised() ? made : await awake(made);
      });
      counts.made += 1;
      failures = 0;
      provisionSeconds = (now() - startedAtMs) / 1000;
      return { machine, place, shape: shapeOf(spec), version, madeAtMs: now() };
    } catch {
      // A run that asks will meet the same trouble, and say it.
      if (!closing.signal.aborted) failed();
      return undefined;
    }
  }

  async function awake(machine: Machine): Promise<Machine> {
    try {
      if (settings.wake !== undefined) await untilAborted(settings.wake(machine), closing.signal);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  function begin(spec: MachineSpec): void {
    const one: Making = { shape: shapeOf(spec), promised: false, result: make(spec, () => one.promised) };
    making.add(one);
    void one.result.then((warm) => {
      making.delete(one);
      if (!one.promised) keep(warm);
    });
  }

  /** Undefined: none is ready, and none of this shape will be soon. */
  async function take(spec: MachineSpec, signal: AbortSignal): Promise<Warm | undefined> {
    const shape = shapeOf(spec);
    const version = await settings.version(spec);
    // One may have died just now, and nobody was told yet.
    drop((warm) => warm.shape === shape && (warm.version !== version || warm.machine.agent.destroyed));
    const found = ready.find((warm) => warm.shape === shape);
    if (found !== undefined) {
      ready = ready.filter((warm) => warm !== found);
      return found;
    }
    const soon = [...making].find((one) => one.shape === shape && !one.promised);
    if (soon === undefined) return undefined;
    soon.promised = true;
    try {
      const warm = await untilAborted(soon.result, signal);
      if (warm === undefined || warm.version === version) return warm;
      end(warm);
      return undefined;
    } catch (error) {
      void soon.result.then(keep);
      throw error;
    }
  }

  async function look(): Promise<void> {
    if (admission.someoneWaits()) return drop(() => true);
    drop(({ madeAtMs }) => now() - madeAtMs > MAX_AGE_SECONDS * 1000);
    if (wanted === undefined || closing.signal.aborted) return;
    const spec = wanted;
    if (ready.length === 0 && sizeFor(spec, Number.POSITIVE_INFINITY) === 0) return;
    const version = await settings.version(spec);
    drop((warm) => warm.shape === shapeOf(spec) && warm.version !== version);
    const there = (): number => ready.length + making.size;
    const wish = sizeFor(spec, Number.POSITIVE_INFINITY);
    for (const surplus of ready.slice(0, Math.max(0, there() - wish))) drop((warm) => warm === surplus);
    if (there() >= wish || coldUnderWay > 0 || now() < retryAtMs) return;
    // How much is free takes a look at every process of the host: only for a machine that is wanted.
    const size = sizeFor(spec, (await admission.freeMib()) + there() * spec.memoryMib);
    while (there() < size && !closing.signal.aborted) begin(spec);
  }

  function sizeFor({ memoryMib: machineMib }: MachineSpec, freeMib: number): number {
    const arrivalsPerSecond = expected === undefined ? rateAt(arrivals, now()) : 0;
    return poolSize({ min: expected ?? 0, max, arrivalsPerSecond, provisionSeconds, freeMib, machineMib });
  }

  /** One look at a time. What it stumbles over (a claim that vanishes, an image that is just being replaced) the next one sees anew. */
  function tend(): Promise<void> {
    tending ??= look()
      .catch(() => undefined)
      .finally(() => (tending = undefined));
    return tending;
  }

  function handOut({ machine, place }: Warm, id: string, run: string | undefined): Machine {
    place.handOut(id, run);
    return { ...machine, id, warm: true };
  }

  function waited(sinceMs: number): void {
    const waitMs = now() - sinceMs;
    waitedMs += waitMs;
    const bucket = waits.find(({ atMost }) => waitMs <= atMost);
    if (bucket !== undefined) bucket.count += 1;
  }

  return {
    over: (cold, run) => ({
      ...cold,
      async provision(spec, signal) {
        const sinceMs = now();
        arrivals = arrived(arrivals, sinceMs);
        wanted = spec;
        timer ??= setInterval(() => void tend(), TEND_MS).unref();
        coldUnderWay += 1;
        try {
          const warm = await take(spec, signal);
          counts[warm === undefined ? "takenCold" : "takenWarm"] += 1;
          return warm === undefined ? await cold.provision(spec, signal) : handOut(warm, spec.id, run);
        } finally {
          coldUnderWay -= 1;
          waited(sinceMs);
          void tend();
        }
      },
    }),
    expect(runs) {
      expected = runs;
    },
    giveUp: () => drop(() => true),
    tend,
    metrics: () => ({ ready: ready.length, ...counts, waitMs: waits.map((bucket) => ({ ...bucket })), waitedMs }),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      closing.abort(new Error("the pool was closed"));
      await Promise.all([...making].map(({ result }) => result));
      await tending;
      drop(() => true);
      await Promise.all(ending);
    },
  };
}

/** All but the id. */
function shapeOf(spec: MachineSpec): string {
  const rest = Object.entries(spec).filter(([name]) => name !== "id");
  return JSON.stringify(rest.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, value ?? null]));
}
