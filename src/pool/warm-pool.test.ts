import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakeProvider } from "../provider/fake/provider.ts";
import type { FakeKnobs, FakeProvider } from "../provider/fake/provider.ts";
import type { MachineSpec, Provider } from "../provider/provider.ts";
import type { Admission, Place } from "../queue/admission.ts";
import { createWarmPool } from "./warm-pool.ts";
import type { PoolSettings, WarmPool } from "./warm-pool.ts";

const never = new AbortController().signal;

let clock: number;
let version: string;
let free: number;
let waiting: boolean;
/** Machines that hold a place: as the run calls them once they are handed out. */
let places: Map<string, string>;
let pools: WarmPool[];
let provider: FakeProvider;

beforeEach(() => {
  [clock, version, free, waiting] = [0, "1", 100_000, false];
  places = new Map();
  pools = [];
  provider = fakeProvider();
});

afterEach(async () => {
  await Promise.all(pools.map((pool) => pool[Symbol.asyncDispose]()));
  const left = [...provider.live, ...places.keys()];
  if (left.length > 0) throw new Error(`the pool left machines or places: ${left.join(", ")}`);
});

const admission: Pick<Admission, "admitAhead" | "someoneWaits" | "freeMib"> = {
  async admitAhead({ spec: { id } }): Promise<Place> {
    places.set(id, "ahead");
    return {
      handOut: (name) => void places.set(id, name),
      [Symbol.dispose]: () => void places.delete(id),
    };
  },
  someoneWaits: () => waiting,
  freeMib: async () => free - 1_000 * places.size,
};

function poolOf(knobs: FakeKnobs = {}, settings: Partial<PoolSettings> = {}): WarmPool {
  provider = fakeProvider(knobs);
  let made = 0;
  const pool = createWarmPool({
    provider,
    admission,
    max: 2,
    version: async () => version,
    now: () => clock,
    newId: () => `warm-${(made += 1)}`,
    ...settings,
  });
  pools.push(pool);
  return pool;
}

function spec(id: string, rest: Partial<MachineSpec> = {}): MachineSpec {
  return { id, cpus: 1, memoryMib: 1000, certificateAuthorities: undefined, image: undefined, ...rest };
}

/** One machine is asked for, cold, so that the pool knows what is wanted; then `ready` are made. */
async function warmed(pool: WarmPool, ready: number): Promise<Provider> {
  const over = pool.over(provider, "run");
  pool.expect(ready);
  const first = await over.provision(spec("first-1"), never);
  await settled(pool, ready);
  await first[Symbol.asyncDispose]();
  return over;
}

async function settled(pool: WarmPool, ready: number): Promise<void> {
  await expect.poll(async () => (await pool.tend(), pool.metrics().ready), { interval: 1 }).toBe(ready);
}

describe("a warm pool", () => {
  it("hands out what is ready under the id that was asked for, and nothing twice", async () => {
    const pool = poolOf();
    const over = await warmed(pool, 2);
    pool.expect(0);
    const machines = await Promise.all(["a-1", "b-1", "c-1"].map((id) => over.provision(spec(id), never)));
    expect(machines.map(({ id, warm }) => [id, warm])).toEqual([
      ["a-1", true],
      ["b-1", true],
      ["c-1", undefined],
    ]);
    expect(new Set(machines.map(({ agent }) => agent)).size).toBe(3);
    expect(provider.provisioned.map(({ id }) => id)).toEqual(["first-1", "warm-1", "warm-2", "c-1"]);
    expect([...places.values()]).toEqual(["a-1", "b-1"]);
    for (const machine of machines) await machine[Symbol.asyncDispose]();
    expect(pool.metrics()).toMatchObject({ takenWarm: 2, takenCold: 2, made: 2, died: 0, ready: 0 });
    expect(pool.metrics().waitMs.reduce((sum, { count }) => sum + count, 0)).toBe(4);
  });

  it("has woken what it hands out, and hands out nothing that does not wake", async () => {
    const woken: string[] = [];
    const pool = poolOf(
      {},
      {
        wake: async ({ id }) => {
          if (woken.push(id) === 1) throw new Error("it does not answer");
        },
      },
    );
    pool.expect(1);
    const over = pool.over(provider, "run");
    await (await over.provision(spec("first-1"), never))[Symbol.asyncDispose]();
    await expect.poll(async () => (await pool.tend(), pool.metrics().died), { interval: 1 }).toBe(1);
    expect(provider.live.size).toBe(0);
    clock += 60_000;
    await settled(pool, 1);
    pool.expect(0);
    const machine = await over.provision(spec("a-1"), never);
    expect([machine.warm, woken]).toEqual([true, ["warm-1", "warm-2"]]);
    await machine[Symbol.asyncDispose]();
  });

  it("shows its provider: name, capabilities, probe", async () => {
    const over = poolOf({ capabilities: { isolation: "vm", containers: true } }).over(provider, undefined);
    expect([over.name, over.capabilities, await over.probe()]).toEqual([
      provider.name,
      provider.capabilities,
      await provider.probe(),
    ]);
  });

  it.each([
    ["another size", { memoryMib: 2000 }],
    ["more cores", { cpus: 2 }],
    ["an authority", { certificateAuthorities: "PEM" }],
    ["another image", { image: "other" }],
  ])("makes what it has not: %s", async (_, rest) => {
    const pool = poolOf({ images: ["other"] });
    const over = await warmed(pool, 1);
    pool.expect(0);
    const machine = await over.provision(spec("a-1", rest), never);
    expect(machine.warm).toBeUndefined();
    await machine[Symbol.asyncDispose]();
  });

  it("makes no machine that nobody is known to come for", async () => {
    const pool = poolOf();
    const over = await warmed(pool, 0);
    for (const id of ["a-1", "b-1", "c-1"]) await (await over.provision(spec(id), never))[Symbol.asyncDispose]();
    await pool.tend();
    expect(provider.provisioned).toHaveLength(4);
  });

  it("guesses from those that came where nobody knows, and forgets them", async () => {
    const quick = fakeProvider();
    const slow: Provider = {
      ...quick,
      provision(asked, signal) {
        clock += 1_000;
        return quick.provision(asked, signal);
      },
    };
    const pool = poolOf({}, { provider: slow, max: 1 });
    pool.expect(undefined);
    const over = pool.over(provider, undefined);
    for (let run = 1; run <= 90; run++) await (await over.provision(spec(`r-${run}`), never))[Symbol.asyncDispose]();
    await settled(pool, 1);
    // So long after, nobody comes any more.
    clock += 9 * 60_000;
    await settled(pool, 0);
    await expect.poll(() => quick.live.size).toBe(0);
  });

  it("makes none while a run waits for its own machine", async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const pool = poolOf();
    pool.expect(1);
    const slow: Provider = {
      ...provider,
      provision: async (asked, signal) => (await started, provider.provision(asked, signal)),
    };
    const first = pool.over(slow, undefined).provision(spec("a-1"), never);
    await pool.tend();
    expect(provider.provisioned).toHaveLength(0);
    start();
    await (await first)[Symbol.asyncDispose]();
    await settled(pool, 1);
  });

  it("gives a run the machine that is just being made, rather than beginning another", async () => {
    const pool = poolOf({ bootDelayMs: 50 });
    const over = pool.over(provider, undefined);
    pool.expect(1);
    const first = await over.provision(spec("a-1"), never);
    await expect.poll(() => places.size).toBe(1);
    pool.expect(0);
    const second = await over.provision(spec("b-1"), never);
    expect(second.warm).toBe(true);
    expect(provider.provisioned).toHaveLength(2);
    for (const machine of [first, second]) await machine[Symbol.asyncDispose]();
  });

  it("keeps the machine that a cancelled run was waiting for", async () => {
    const pool = poolOf({ bootDelayMs: 50 });
    const over = pool.over(provider, undefined);
    pool.expect(1);
    await (await over.provision(spec("a-1"), never))[Symbol.asyncDispose]();
    await expect.poll(() => places.size).toBe(1);
    const abort = new AbortController();
    const second = over.provision(spec("b-1"), abort.signal);
    setImmediate(() => abort.abort(new Error("cancelled")));
    await expect(second).rejects.toThrow("cancelled");
    await settled(pool, 1);
    expect(provider.provisioned).toHaveLength(2);
  });

  it("drops a machine that dies, and replaces it when the pause is over", async () => {
    const pool = poolOf();
    await warmed(pool, 1);
    provider.kill("warm-1");
    await expect.poll(() => pool.metrics()).toMatchObject({ ready: 0, died: 1 });
    await pool.tend();
    expect(provider.provisioned).toHaveLength(2);
    clock += 2_000;
    await settled(pool, 1);
    expect([...provider.live]).toEqual(["warm-2"]);
  });

  it("pauses longer and longer where none can be made, and runs get theirs all the same", async () => {
    let asked = 0;
    const pool = poolOf(
      {},
      {
        provider: { ...fakeProvider(), provision: async () => ((asked += 1), Promise.reject(new Error("no"))) },
      },
    );
    const over = pool.over(provider, undefined);
    pool.expect(1);
    await (await over.provision(spec("a-1"), never))[Symbol.asyncDispose]();
    for (let second = 0; second <= 300; second++) {
      await pool.tend();
      await new Promise(setImmediate);
      clock += 1_000;
    }
    // After 2, 4, 8, 16, 32, 60, 60, 60 s.
    expect(asked).toBe(9);
    await (await over.provision(spec("b-1"), never))[Symbol.asyncDispose]();
    expect([...places]).toEqual([]);
  });

  it("renews what has become old", async () => {
    const pool = poolOf();
    await warmed(pool, 1);
    clock += 11 * 60_000;
    await pool.tend();
    await settled(pool, 1);
    expect([...provider.live]).toEqual(["warm-2"]);
  });

  it("never hands out a machine of an image that was replaced", async () => {
    const pool = poolOf();
    const over = await warmed(pool, 1);
    pool.expect(0);
    version = "2";
    const machine = await over.provision(spec("a-1"), never);
    expect(machine.warm).toBeUndefined();
    await machine[Symbol.asyncDispose]();
  });

  it("gives up what is ready when a run waits for its memory, in this process or another", async () => {
    const pool = poolOf();
    await warmed(pool, 2);
    pool.giveUp();
    await expect.poll(() => provider.live.size).toBe(0);
    await settled(pool, 2);
    waiting = true;
    await pool.tend();
    await pool.tend();
    await expect.poll(() => provider.live.size).toBe(0);
    expect(pool.metrics().ready).toBe(0);
  });

  it("makes only as many as half of the free memory holds", async () => {
    free = 3_000;
    const pool = poolOf({}, { max: 10 });
    pool.expect(10);
    await (await pool.over(provider, undefined).provision(spec("a-1"), never))[Symbol.asyncDispose]();
    await settled(pool, 1);
    await pool.tend();
    expect(provider.live.size).toBe(1);
  });

  it("waits at its end for the machines that are being made", async () => {
    const pool = poolOf({ bootDelayMs: 50 });
    pool.expect(2);
    await (await pool.over(provider, undefined).provision(spec("a-1"), never))[Symbol.asyncDispose]();
    await expect.poll(() => places.size).toBe(2);
    await pool[Symbol.asyncDispose]();
    expect([...provider.live, ...places]).toEqual([]);
  });
});
