/**
 * Machines for the jobs of one run: one for the whole workflow (default), made when its first job needs it, or one for each
 * job. Jobs whose `runs-on` wants another provider, image or size share a machine of that kind. Whatever was made is
 * destroyed when the source is disposed; a lost machine is never replaced behind the workflow's back.
 */
import { setTimeout } from "node:timers/promises";
import { EngineError } from "../lib/engine-error.ts";
import type { MachineChoice } from "../plan/runner-map.ts";
import { openAgent } from "../protocol/open-agent.ts";
import { MachineStartError } from "../provider/provider.ts";
import type { Machine, MachineLoss, MachineSpec, Provider, ProviderName } from "../provider/provider.ts";
import type { AttachedServices, NetworkPolicy, Services } from "../service/services.ts";
import type { RunEventBody } from "../store/run-event.ts";
import { createEgressLedger } from "./egress-ledger.ts";
import type { JobMachine } from "./job-run.ts";
import type { Resumption } from "./resumption.ts";
import { machineEnvironment } from "./machine-environment.ts";

export interface MachineSource extends AsyncDisposable {
  /**
   * `saved`: one that goes on from there, which is a machine of its own unless the workflow has none of the kind yet. Throws `EngineError`
   * when no machine can be had; with one machine for the workflow, also for every such job after that.
   */
  lease(choice: MachineChoice, saved?: Resumption["machine"]): Promise<MachineLease>;
}

export interface MachineLease extends AsyncDisposable {
  readonly machine: JobMachine;
  /** Explains an error that the machine's stream gave: the provider knows more than the stream that ended. */
  explain(error: EngineError): Promise<EngineError>;
}

export interface MachineWishes {
  /** For choices that name none. */
  readonly provider: Provider;
  readonly namedProvider: (name: ProviderName) => Promise<Provider>;
  readonly services: Services;
  readonly per: "workflow" | "job";
  readonly idPrefix: string;
  /** Names the workspace. */
  readonly repository: { readonly name: string };
  readonly cpus: number;
  readonly memoryMib: number;
  readonly network: NetworkPolicy;
  readonly certificateAuthorities: string | undefined;
  readonly npmRegistry: string | undefined;
  readonly emit: (event: RunEventBody) => void;
  readonly now: () => number;
  /** Ends a provision that is under way. */
  readonly kill: AbortSignal;
}

/** How long to wait for the provider's word on a machine whose stream has just ended. */
const EXPLANATION_MS = 2_000;

export function createMachineSource(wishes: MachineWishes): MachineSource {
  let count = 0;
  const shared = new Map<string, Promise<MachineLease>>();
  const provision = (choice: MachineChoice, saved?: Resumption["machine"]): Promise<MachineLease> =>
    provisionMachine(wishes, choice, `${wishes.idPrefix}-${(count += 1)}`, saved);
  return {
    async lease(choice, saved) {
      if (wishes.per === "job") return provision(choice, saved);
      const key = kindOf(choice, wishes);
      if (saved !== undefined && shared.has(key)) return provision(choice, saved);
      const lease = shared.get(key) ?? provision(choice, saved);
      shared.set(key, lease);
      return { ...(await lease), [Symbol.asyncDispose]: async () => undefined };
    },
    async [Symbol.asyncDispose]() {
      const made = await Promise.allSettled(shared.values());
      await using all = new AsyncDisposableStack();
      for (const lease of made) if (lease.status === "fulfilled") all.use(lease.value);
    },
  };
}

/** A choice that spells out what the run does anyway is no other machine. */
function kindOf({ provider, image, cpus, memoryMib, devices }: MachineChoice, wishes: MachineWishes): string {
  const name = provider ?? wishes.provider.name;
  return JSON.stringify([name, image ?? null, cpus ?? wishes.cpus, memoryMib ?? wishes.memoryMib, devices]);
}

function attachOnce(attach: () => Promise<AttachedServices>): AsyncDisposable & {
  readonly get: () => Promise<AttachedServices>;
  readonly now: () => AttachedServices | undefined;
} {
  let attached: Promise<AttachedServices> | undefined;
  let now: AttachedServices | undefined;
  return {
    get: () => (attached ??= attach().then((services) => (now = services))),
    now: () => now,
    [Symbol.asyncDispose]: async () => (await attached)?.[Symbol.asyncDispose](),
  };
}

async function provisionMachine(
  wishes: MachineWishes,
  choice: MachineChoice,
  id: string,
  saved: Resumption["machine"] | undefined,
): Promise<MachineLease> {
  const { services, emit, now } = wishes;
  const own = choice.provider === undefined || choice.provider === wishes.provider.name;
  const provider = own ? wishes.provider : await wishes.namedProvider(choice.provider);
  emit({ type: "machine_requested", machine: id });
  const startedAt = now();
  const stack = new AsyncDisposableStack();
  let made: Machine | undefined;
  try {
    const spec = specOf(wishes, choice, id, saved);
    const { cpus, memoryMib, image, certificateAuthorities } = spec;
    const machine =
      saved === undefined
        ? await provider.provision(spec, wishes.kill)
        : await restored(provider, spec, saved, wishes.kill);
    made = machine;
    const { isolation } = machine;
    const { name } = wishes.repository;
    const layout = { ...machine.layout, workspace: `${machine.layout.work}/${name}/${name}` };
    stack.defer(async () => {
      await machine[Symbol.asyncDispose]();
      emit({ type: "machine_destroyed", machine: id });
    });
    let agent = await openAgent(machine.agent);
    stack.defer(() => agent[Symbol.asyncDispose]());
    const save = async (directory: string, signal: AbortSignal): Promise<string | undefined> => {
      const after = await machine.save?.(directory, signal);
      if (after === undefined) return `provider ${provider.name} cannot save a machine`;
      await agent[Symbol.asyncDispose]();
      agent = await openAgent(after.agent);
      if (after.egress !== undefined) (await attached.get()).moveTo(after.egress);
      return after.failure;
    };
    const egress = createEgressLedger();
    const apiNotes = new Set<string>();
    const attached = stack.use(
      attachOnce(() =>
        services.attach({
          egress: machine.egress,
          url: layout.servicesUrl,
          network: wishes.network,
          onApi: (note) => {
            if (note.kind === "write") emit({ type: "api_write", ...note.write });
            else apiNotes.add(note.text);
          },
          onDecision: (decision) => egress.note(decision),
        }),
      ),
    );
    // A machine whose traffic comes through us may ask at any time; elsewhere the services start when a step wants them.
    if (machine.egress !== undefined) await attached.get();
    const ready = await agent.ready();
    const servicesUrl = async (): Promise<string> => {
      const url = layout.servicesUrl ?? (await attached.get()).url;
      if (url === undefined) throw new Error(`Provider ${provider.name} names no services address`);
      return url;
    };
    emit({
      type: "machine_ready",
      machine: id,
      isolation,
      bootId: ready.bootId,
      ...(machine.warm === true ? { warm: true } : {}),
      durationMs: Math.round(now() - startedAt),
    });

    const { npmRegistry } = wishes;
    const environment = machineEnvironment(ready.env, layout, {
      certificateAuthorities: certificateAuthorities !== undefined,
      npmRegistry,
    });
    return {
      machine: {
        id,
        isolation,
        made: { provider: provider.name, cpus, memoryMib, image, certificateAuthorities },
        get agent() {
          return agent;
        },
        connections: () => attached.now()?.connections() ?? 0,
        ...(machine.save === undefined ? {} : { save }),
        bulk: machine.bulk,
        memoryMib,
        oomKills: async () => (await machine.oomKills?.()) ?? 0,
        arch: ready.arch === "arm64" ? "ARM64" : "X64",
        layout,
        environment,
        servicesUrl,
        openJob: async (claims) => (await attached.get()).openJob(claims),
        egress,
        apiNotes,
      },
      explain: (error) => explainLoss(error, machine, emit),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    // Before it is disposed of: afterwards nobody says any more how it ended.
    const reason = await explainFailure(error, id, made, emit);
    await stack.disposeAsync();
    throw reason;
  }
}

/** One that goes on is what the saved one was, whatever is wished for now. */
function specOf(
  wishes: MachineWishes,
  choice: MachineChoice,
  id: string,
  saved: Resumption["machine"] | undefined,
): MachineSpec {
  if (saved !== undefined) {
    const { cpus, memoryMib, image, certificateAuthorities } = saved;
    return { id, cpus, memoryMib, image, certificateAuthorities };
  }
  const { certificateAuthorities } = wishes;
  const cpus = choice.cpus ?? wishes.cpus;
  const memoryMib = choice.memoryMib ?? wishes.memoryMib;
  const { image, devices } = choice;
  return { id, cpus, memoryMib, certificateAuthorities, image, ...(devices && { devices }) };
}

async function restored(
  provider: Provider,
  spec: MachineSpec,
  saved: Resumption["machine"],
  kill: AbortSignal,
): Promise<Machine> {
  if (provider.name === saved.provider && provider.restore !== undefined) {
    return provider.restore(spec, saved.directory, kill);
  }
  throw new EngineError(
    "CHECKPOINT_UNUSABLE",
    `A machine of provider ${saved.provider} cannot go on with provider ${provider.name}`,
    { hint: `--provider ${saved.provider}` },
  );
}

async function explainFailure(
  error: unknown,
  id: string,
  made: Machine | undefined,
  emit: MachineWishes["emit"],
): Promise<unknown> {
  if (error instanceof MachineStartError) {
    emitLoss(id, error.loss, emit);
    const message = `Cannot start machine ${id}: ${error.loss.reason}`;
    return new EngineError(error.code, message, { cause: error, hint: error.hint });
  }
  const isLost = error instanceof EngineError && error.code === "MACHINE_LOST";
  return isLost && made !== undefined ? explainLoss(error, made, emit) : error;
}

async function explainLoss(error: EngineError, machine: Machine, emit: MachineWishes["emit"]): Promise<EngineError> {
  // A refusal comes from a machine that is there.
  if (error.code === "GUEST_REFUSED") return error;
  const loss = await Promise.race([machine.lost, setTimeout(EXPLANATION_MS, undefined, { ref: false })]);
  const reason = loss?.reason ?? error.message;
  emitLoss(machine.id, loss ?? { cause: "agent_silent", reason, console: "" }, emit);
  return new EngineError("MACHINE_LOST", `Machine ${machine.id} was lost: ${reason}`, { cause: error });
}

function emitLoss(machine: string, { cause, reason, console }: MachineLoss, emit: MachineWishes["emit"]): void {
  emit({ type: "machine_lost", machine, cause, reason, console });
}
