/**
 * The contract between the engine and whatever makes machines. `provider.contract.ts` is its executable form, run against
 * every implementation. The engine asks capabilities, never names.
 *
 * A machine is provisioned for one workflow, destroyed after it and never used again. Disposing twice is safe, also at once;
 * disposal has a deadline of its own and does not listen to the run's signal. What a provider made on the host (processes,
 * sockets, mounts, directories) is gone when disposal resolves, whatever state the machine was in.
 */
import type { Duplex } from "node:stream";
import { EngineError } from "../lib/engine-error.ts";
import type { DeviceLimits } from "../plan/runner-map.ts";
import type { InputRange } from "../protocol/agent-api.ts";

/** Closed set: a user reads these in every run's header (DESIGN §1.6). */
export type Isolation =
  | "microVM (Firecracker)"
  | "microVM (Firecracker, no jailer)"
  | "microVM (QEMU, KVM)"
  | "microVM (QEMU, HVF)"
  | "sandbox (gVisor)"
  | "microVM (QEMU, emulated: not a security boundary)"
  | "none (host)"
  | "none (fake)";

export interface Capabilities {
  readonly isolation: "none" | "container" | "sandbox" | "vm";
  /** The machine can be saved at a step boundary and restored as a new machine. */
  readonly checkpoint: boolean;
  /** Containers can be run inside the machine. */
  readonly containers: boolean;
  /** Outward traffic passes through `Machine.egress`, where the host decides; false: processes use the host's own network. */
  readonly egress: boolean;
}

export type Probe =
  | { readonly ok: true; readonly isolation: Isolation; readonly detail: string }
  | { readonly ok: false; readonly reason: string; readonly fix: string };

export interface MachineSpec {
  /** Unique on this host, `[a-z0-9-]{1,40}`; names the machine's directory, sandbox and processes. */
  readonly id: string;
  readonly cpus: number;
  readonly memoryMib: number;
  /** PEM bundle of certificate authorities the guest should trust beside its own; undefined for none. */
  readonly certificateAuthorities: string | undefined;
  /** Name of an image of this host; undefined: the default one. A provider whose machines start from none refuses every name. */
  readonly image: string | undefined;
  /** Firecracker's alone. */
  readonly devices?: DeviceLimits;
}

/** Absolute paths inside the machine. It knows no repository: whoever runs jobs in it makes their workspaces below `work`. */
export interface Layout {
  readonly work: string;
  readonly temp: string;
  readonly toolCache: string;
  readonly home: string;
  readonly actions: string;
  /** Holds `node24/bin/node`. */
  readonly externals: string;
  /** Where steps reach the services, without a trailing slash; undefined: the engine listens on loopback and decides. */
  readonly servicesUrl: string | undefined;
  /** What steps use as HTTP(S) proxy; undefined where there is no egress stream. */
  readonly proxyUrl: string | undefined;
}

/**
 * A way for large input beside the stream to the agent, for machines whose stream is slow: QEMU's serial port takes 7 MB/s. Absent
 * where the stream does it as well: gVisor's is a socket and takes 400 MB/s.
 */
export interface BulkInput {
  /**
   * Takes all of `source` to where the guest reads it and cannot change it, and resolves with what to tell the agent (`unpackInput`).
   * Undefined when there is no room: then it has to go by the stream, from its beginning. Throws what `source` throws; `source` is closed
   * in every case. Any number at once; one comes after the other. The room is given back when the machine ends.
   */
  write(source: AsyncIterable<Uint8Array>): Promise<InputRange | undefined>;
}

export interface Machine extends AsyncDisposable {
  readonly id: string;
  /** It was made before it was asked for. */
  readonly warm?: true;
  readonly isolation: Isolation;
  readonly capabilities: Capabilities;
  readonly layout: Layout;
  /** Host's end of the stream to the guest agent, greeting done: HTTP/2 may start. */
  readonly agent: Duplex;
  /** Host's end of the guest-initiated stream: the host is the HTTP/2 server. Undefined where `capabilities.egress` is false. */
  readonly egress: Duplex | undefined;
  readonly bulk?: BulkInput;
  /** Its processes that this host's kernel killed for want of memory; absent where such a kill always ends the machine. */
  readonly oomKills?: () => Promise<number>;
  /**
   * Saves memory, processes and files as they are at one moment in `directory`, which is there, empty and this user's alone; the machine
   * runs on. `agent` and `egress` end with the call: what was under way on them is lost, and what it resolves with takes
   * their place. One at a time. Throws MACHINE_LOST, or the signal's reason; in either case the machine is of no use any
   * more. Absent where `capabilities.checkpoint` is false.
   */
  readonly save?: (directory: string, signal: AbortSignal) => Promise<AfterSave>;
  /** Resolves with the cause when the machine ends without having been asked to; never rejects, never resolves after disposal. */
  readonly lost: Promise<MachineLoss>;
}

/** What a machine that was saved, and runs on, is spoken to through from then on. */
export interface AfterSave {
  readonly agent: Duplex;
  readonly egress: Duplex | undefined;
  /** Why nothing of use was saved; undefined: it was. */
  readonly failure: string | undefined;
}

/** Closed set, as far as the host can tell; `agent_silent` is the engine's own finding. */
export type LossCause = "out_of_memory" | "kernel_panic" | "agent_ended" | "agent_silent" | "killed" | "ended";

export interface MachineLoss {
  readonly cause: LossCause;
  readonly reason: string;
  /** Last lines that the machine's console or its process printed, at most 4 KiB. */
  readonly console: string;
}

/** MACHINE_START_FAILED of a machine that was there and ended before its agent had answered: its provider knows how. */
export class MachineStartError extends EngineError {
  readonly loss: MachineLoss;

  constructor(machine: string, loss: MachineLoss, options: { cause?: unknown; hint?: string | undefined } = {}) {
    const message = `Cannot start machine ${machine}: ${loss.reason}\n${loss.console}`;
    super("MACHINE_START_FAILED", message.trimEnd(), options);
    this.loss = loss;
  }
}

export type ProviderName = "firecracker" | "qemu" | "gvisor" | "host" | "fake";

export interface Provider {
  readonly name: ProviderName;
  readonly capabilities: Capabilities;
  /** Whether this host can make such machines now, and if not the exact fix. Changes nothing; may take seconds the first time. */
  probe(): Promise<Probe>;
  /**
   * Resolves when the guest's agent has answered. Throws `EngineError` MACHINE_START_FAILED (`MachineStartError` where the
   * machine was there and ended), IMAGE_MISSING or PROVIDER_UNAVAILABLE, or the signal's reason when it was aborted; in either case
   * nothing is left behind. Any number at once.
   */
  provision(spec: MachineSpec, signal: AbortSignal): Promise<Machine>;
  /**
   * As `provision`, in the state that is saved in `directory` (`Machine.save`), with a clock that is right and random numbers of its
   * own. `spec` says what that machine's said, but for the id. The directory is only read, by any number at once, and needed no more when
   * this has resolved. Also throws CHECKPOINT_UNUSABLE for what was saved by another version, on another processor or of another
   * image than this host has now. Absent where `capabilities.checkpoint` is false.
   */
  restore?(spec: MachineSpec, directory: string, signal: AbortSignal): Promise<Machine>;
}
