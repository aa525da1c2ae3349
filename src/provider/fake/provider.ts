/**
 * Machines that exist in memory only, for tests of everything above providers: they speak the real protocol over a pair of
 * streams, answer commands from a script, break in the ways they are told to, and count what was provisioned and what still lives.
 */
import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { EngineError } from "../../lib/engine-error.ts";
import type { ExecRequest, Vitals } from "../../protocol/agent-api.ts";
import { duplexPair } from "../../protocol/duplex-pair.ts";
import { serveRoutes } from "../../protocol/serve-routes.ts";
import { MachineStartError } from "../provider.ts";
import type { Capabilities, Layout, Machine, MachineLoss, MachineSpec, Provider } from "../provider.ts";
import { fakeAgent } from "./fake-agent.ts";
import type { FakeExec, FakeFiles } from "./fake-agent.ts";
import { fakeInput } from "./fake-input.ts";

export interface FakeKnobs {
  /** Answers a command; undefined means success without output. May read and write the machine's files. */
  readonly script?: (request: ExecRequest, machine: FakeMachine) => FakeExec | undefined;
  /** Provisioning fails with MACHINE_START_FAILED and this reason. */
  readonly failProvision?: string;
  /** The machine ends so before it answers. */
  readonly dieAtStart?: MachineLoss;
  /** The machine dies during its nth command, counted from 1. */
  readonly dieDuringExec?: number;
  /** The nth command gives no sign any more, and neither does the agent to a heartbeat. */
  readonly hangOnExec?: number;
  /** What the machine says of itself when it is asked for the nth time, over the rest, which is well. May throw. */
  readonly vitals?: (nth: number) => Partial<Vitals>;
  /** Processes of the machine that the host has killed when it is asked for the nth time. */
  readonly oomKills?: (nth: number) => number;
  /** The nth reset is refused. */
  readonly refuseReset?: number;
  readonly bootDelayMs?: number;
  /** The nth save fails, and the machine runs on. */
  readonly failSave?: number;
  readonly dieDuringSave?: number;
  /** The machine has a way for bulk input; `full`: and no room. */
  readonly bulk?: "takes" | "full";
  /** Names of the images there are, beside the default one. */
  readonly images?: readonly string[];
  readonly capabilities?: Partial<Capabilities>;
}

/** What a test may look at, also after the machine is gone. */
export interface FakeMachine {
  readonly id: string;
  readonly spec: MachineSpec;
  readonly bootId: string;
  /** By absolute path. */
  readonly files: FakeFiles;
  /** In the order they came. */
  readonly execs: readonly ExecRequest[];
}

export interface FakeProvider extends Provider {
  /** Every machine ever provisioned, in order. */
  readonly provisioned: readonly FakeMachine[];
  /** Ids of machines not yet disposed of. */
  readonly live: ReadonlySet<string>;
  /** Ends a machine from outside, as a crash would. */
  kill(id: string): void;
}

const ISOLATION = "none (fake)";
const CAPABILITIES: Capabilities = { isolation: "none", checkpoint: true, containers: false, egress: false };
/** In the directory of a saved machine. */
const SAVED_FILES = "files.bin";

export function fakeProvider(knobs: FakeKnobs = {}): FakeProvider {
  const capabilities = { ...CAPABILITIES, ...knobs.capabilities };
  const provisioned: FakeMachine[] = [];
  const live = new Map<string, (loss: MachineLoss) => void>();
  return {
    name: "fake",
    capabilities,
    provisioned,
    get live() {
      return new Set(live.keys());
    },
    kill: (id) => live.get(id)?.({ cause: "ended", reason: "killed from outside", console: "" }),
    probe: async () => ({ ok: true, isolation: ISOLATION, detail: "machines in memory" }),
    provision: async (spec, signal) => {
      await boot(knobs, spec, signal);
      const machine = { id: spec.id, spec, bootId: randomUUID(), files: new Map(), execs: [] };
      provisioned.push(machine);
      return startMachine(machine, spec, capabilities, knobs, live);
    },
    ...(capabilities.checkpoint && {
      restore: async (spec, directory, signal) => {
        await boot(knobs, spec, signal);
        const files = await readSavedFiles(directory);
        const machine = { id: spec.id, spec, bootId: randomUUID(), files, execs: [] };
        provisioned.push(machine);
        return startMachine(machine, spec, capabilities, knobs, live);
      },
    }),
  };
}

async function readSavedFiles(directory: string): Promise<FakeFiles> {
  const saved: unknown = deserialize(await readFile(join(directory, SAVED_FILES)));
  if (!(saved instanceof Map)) throw new EngineError("CHECKPOINT_UNUSABLE", `${directory} holds no machine`);
  return new Map([...saved].map(([path, content]) => [path, Buffer.from(content)]));
}

async function boot(knobs: FakeKnobs, spec: MachineSpec, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (knobs.bootDelayMs !== undefined) {
    // The timer's own error hides the reason.
    await delay(knobs.bootDelayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  if (spec.image !== undefined && knobs.images?.includes(spec.image) !== true) {
    throw new EngineError("IMAGE_MISSING", `Cannot start machine ${spec.id}: there is no image '${spec.image}'`);
  }
  if (knobs.dieAtStart !== undefined) throw new MachineStartError(spec.id, knobs.dieAtStart);
  if (knobs.failProvision !== undefined) {
    throw new EngineError("MACHINE_START_FAILED", `Cannot start machine ${spec.id}: ${knobs.failProvision}`);
  }
}

function startMachine(
  machine: FakeMachine & { execs: ExecRequest[] },
  spec: MachineSpec,
  capabilities: Capabilities,
  knobs: FakeKnobs,
  live: Map<string, (loss: MachineLoss) => void>,
): Machine {
  let [agent, guest] = duplexPair();
  const { promise: lost, resolve: lose } = Promise.withResolvers<MachineLoss>();
  const die = (loss: MachineLoss): void => {
    if (!live.has(spec.id)) return;
    agent.destroy();
    lose(loss);
  };
  live.set(spec.id, die);
  const layout = LAYOUT;
  const input = fakeInput(knobs.bulk === "full");
  let resets = 0;
  let asked = 0;
  const handlers = fakeAgent({
    bootId: machine.bootId,
    home: layout.home,
    files: machine.files,
    beforeReset: () => {
      resets += 1;
      if (resets === knobs.refuseReset) throw new Error("a mount is in the way");
    },
    input: (range) => input.read(range),
    vitals: () => ({ ...WELL, ...knobs.vitals?.((asked += 1)) }),
    answer: (request) => {
      const number = machine.execs.push(request);
      if (number === knobs.dieDuringExec) die({ cause: "ended", reason: `died during command ${number}`, console: "" });
      if (number === knobs.hangOnExec) freeze(guest);
      return knobs.script?.(request, machine);
    },
  });
  let served = serveRoutes(guest, handlers);
  let saves = 0;
  const save: NonNullable<Machine["save"]> = async (directory) => {
    agent.destroy();
    await served;
    saves += 1;
    if (saves === knobs.dieDuringSave) {
      die({ cause: "killed", reason: `died during save ${saves}`, console: "" });
      throw new EngineError("MACHINE_LOST", `died during save ${saves}`);
    }
    const failure = saves === knobs.failSave ? "it holds what cannot be saved" : undefined;
    if (failure === undefined) await writeFile(join(directory, SAVED_FILES), serialize(machine.files));
    [agent, guest] = duplexPair();
    served = serveRoutes(guest, handlers);
    return { agent, egress: undefined, failure };
  };
  const dispose = async (): Promise<void> => {
    live.delete(spec.id);
    agent.destroy();
    await served;
  };
  return {
    id: spec.id,
    isolation: ISOLATION,
    capabilities,
    layout,
    agent,
    egress: undefined,
    ...(knobs.bulk === undefined ? {} : { bulk: input }),
    ...(knobs.oomKills === undefined ? {} : { oomKills: hostKills(knobs.oomKills) }),
    ...(capabilities.checkpoint && { save }),
    lost,
    [Symbol.asyncDispose]: dispose,
  };
}

function hostKills(answer: (nth: number) => number): () => Promise<number> {
  let asked = 0;
  return async () => answer((asked += 1));
}

/** The guest reads and says nothing any more, and nothing tells that it is so: what a stopped machine looks like from outside. */
function freeze(guest: Duplex): void {
  Object.assign(guest, { _write: () => undefined });
}

const WELL: Vitals = {
  oomKills: 0,
  freeBytes: 2 ** 34,
  freeInodes: 2 ** 20,
  memoryAvailableBytes: 2 ** 30,
};

const LAYOUT: Layout = {
  work: "/home/runner/work",
  temp: "/home/runner/work/_temp",
  actions: "/home/runner/work/_actions",
  toolCache: "/opt/hostedtoolcache",
  home: "/home/runner",
  externals: "/opt/externals",
  servicesUrl: undefined,
  proxyUrl: undefined,
};
