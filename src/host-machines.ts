/**
 * What the runs of this process share of the host: places for machines, machines made ahead, and the reaper of what others left
 * behind. Loaded with the first run.
 */
import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { availableParallelism, freemem, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { toolCacheDirectory } from "./image/tool-cache.ts";
import { createWarmPool } from "./pool/warm-pool.ts";
import type { PoolMetrics, WarmPool } from "./pool/warm-pool.ts";
import { openAhead } from "./protocol/open-agent.ts";
import { claimsDirectory } from "./provider/machine-claims.ts";
import type { MachineSpec, Provider } from "./provider/provider.ts";
import { reap } from "./provider/reaper.ts";
import { admitted, createAdmission } from "./queue/admission.ts";

export interface HostMachines extends AsyncDisposable {
  /** `provider` for one run: its machines have places, and those of `pooled` may have been made ahead. */
  providerFor(provider: Provider, wish: RunWish): Provider;
  /** So many runs are to come; undefined: not known, so guessed from those that came. */
  expectRuns(runs: number | undefined): void;
  /** Of the machines that are made ahead, by provider: for whoever exports them. */
  metrics(): readonly PoolMetrics[];
  /** Ends what killed processes left behind, unless that was done just now. */
  reapAtStart(): Promise<void>;
}

export interface RunWish {
  readonly run: string;
  /** It keeps its machines until it ends, and nothing runs in them while it waits for another. */
  readonly keepsMachines: boolean;
  /** Those that are restored it gives back before it ends. */
  readonly copies?: boolean;
  readonly pooled: boolean;
  readonly onWait: (machine: string, lack: string) => void;
}

const REAP_EVERY_MS = 30_000;
const MIB = 1024 ** 2;

export function createHostMachines({ dataDir, runDir, warmMachines }: Config): HostMachines {
  const admission = createAdmission({
    directory: claimsDirectory(dataDir),
    runDir,
    temporary: tmpdir(),
    host: () => ({
      memoryMib: Math.floor(totalmem() / MIB),
      // On Linux what is available, not what is unused.
      availableMib: Math.floor(freemem() / MIB),
      cores: availableParallelism(),
    }),
    now: Date.now,
  });
  const pools = new Map<Provider, WarmPool>();
  let expected: number | undefined = 0;
  let reaped: Promise<unknown> | undefined;
  // What cannot be reaped is said by `hearth machines reap` and `hearth doctor`; a run has other things to do.
  const reapNow = (): Promise<unknown> => (reaped = reap({ dataDir, runDir }).catch(() => []));
  const timer = setInterval(() => void reapNow(), REAP_EVERY_MS).unref();

  function poolOf(provider: Provider): WarmPool {
    const known = pools.get(provider);
    if (known !== undefined) return known;
    const pool = createWarmPool({
      provider,
      admission,
      max: warmMachines,
      version: (spec) => versionOf(dataDir, spec),
      wake: (machine) => openAhead(machine.agent),
      now: () => performance.now(),
      newId: () => `warm-${randomUUID().slice(0, 13)}`,
    });
    pool.expect(expected);
    pools.set(provider, pool);
    return pool;
  }

  return {
    providerFor(provider, { run, keepsMachines, copies = false, pooled, onWait }) {
      const keeper = keepsMachines ? run : undefined;
      const cold = admitted(provider, admission, {
        run: keeper,
        copies,
        onWait(machine, lack) {
          for (const pool of pools.values()) pool.giveUp();
          onWait(machine, lack);
        },
      });
      // A directory of this host is there at once.
      const isWorthIt = pooled && warmMachines > 0 && provider.capabilities.isolation !== "none";
      return isWorthIt ? poolOf(provider).over(cold, keeper) : cold;
    },
    expectRuns(runs) {
      expected = runs;
      for (const pool of pools.values()) pool.expect(runs);
    },
    metrics: () => [...pools.values()].map((pool) => pool.metrics()),
    async reapAtStart() {
      await (reaped ?? reapNow());
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await Promise.all([...pools.values()].map((pool) => pool[Symbol.asyncDispose]()));
    },
  };
}

/** What a machine starts from: its image, and the tools that it is given. */
async function versionOf(dataDir: string, { image }: MachineSpec): Promise<string> {
  const { findImage } = await import("./image/image-store.ts");
  const tools = toolCacheDirectory(dataDir);
  const names = await readdir(tools).catch(() => []);
  const versions = await Promise.all(names.map((name) => readdir(join(tools, name)).catch(() => [])));
  return JSON.stringify([(await findImage(dataDir, image))?.digest ?? null, names, versions]);
}
