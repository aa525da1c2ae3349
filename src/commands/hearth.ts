/**
 * What the commands need of the wired program: everything they do to the world goes through here, so that each command is
 * tested against a fake. `compose.ts` implements it. All failures that a person can act on are `EngineError`s.
 */
import type { CheckpointStore } from "../checkpoint/checkpoint-store.ts";
import type { EnteredJob } from "../door/enter-run.ts";
import type { EarlierAttempt, EnvironmentSettings, RunOutcome } from "../engine/run-settings.ts";
import type { ShellPlace } from "../engine/saved-job.ts";
import type { ForkDirectories } from "../engine/matrix-fork-directories.ts";
import type { PauseDecision } from "../engine/job-pause.ts";
import type { JobMachine } from "../engine/job-run.ts";
import type { Resumption } from "../engine/resumption.ts";
import type { Plan } from "../plan/plan.ts";
import type { RunnerMap } from "../plan/runner-map.ts";
import type { ChosenProvider } from "../provider/choose-provider.ts";
import type { Provider, ProviderName } from "../provider/provider.ts";
import type { KeptAction } from "../git/kept-actions.ts";
import type { TreeChanges } from "../git/tree-changes.ts";
import type { ManageReport, ManageRequest, VerifiedAction } from "../select/manage-actions.ts";
import type { TranslateReport, TranslateRequest } from "../select/manage-translations.ts";
import type { Comparison, VerifyRequest } from "../select/comparison-projects.ts";
import type { LintReport } from "../select/lint-files.ts";
import type { SelectRequest, Selection } from "../select/select-workflows.ts";
import type { DoctorLine } from "../setup/inspect-host.ts";
import type { HostCheck } from "../setup/production-host.ts";
import type { SetupWish } from "../setup/setup-host.ts";
import type { RunEvent } from "../store/run-event.ts";
import type { RunStore } from "../store/run-store.ts";
import type { ModelReport } from "../translate/model/inspect-model.ts";
import type { SecretDoor } from "./secret-door.ts";
import type { ServerDoor } from "./server-door.ts";

export interface Hearth {
  /** Workflows that may run at the same time. */
  readonly concurrency: number;
  readonly settings: readonly Setting[];
  readonly store: RunStore;
  readonly images: Images;
  readonly tools: Tools;
  readonly caches: Caches;
  readonly checkpoints: Pick<CheckpointStore, "list" | "open" | "remove" | "removeAll" | "diskBytes">;
  readonly actions: Actions;
  readonly artifacts: Artifacts;
  readonly identity: Identity;
  readonly machines: Machines;
  readonly server: ServerDoor;
  readonly secrets: SecretDoor;
  /** Reads the workflow files, makes the event and plans every file. A broken file is a result, not an exception. */
  select(request: SelectRequest): Promise<Selection>;
  /** Reads the workflow files and the actions that they use; nothing is planned and nothing fetched. `path` is absolute. */
  lint(path: string | undefined): Promise<LintReport>;
  /** The provider of this name, else that of the settings, else the best this host can use. Throws PROVIDER_UNAVAILABLE with the fix. */
  chooseProvider(name?: string): Promise<ChosenProvider>;
  /**
   * Resolves when the run is kept and about to begin: its first event comes after that. Throws only for what stops it from
   * beginning; whatever happens later is its outcome.
   */
  startRun(plan: Plan, options: RunOptions): Promise<RunHandle>;
  /** In the working tree that was selected last, since that run began; undefined where that cannot be known. */
  changesSince(run: string, repository: string): Promise<WorkingTreeChanges | undefined>;
  /** Where a machine lies while it is copied. */
  readonly forks: ForkDirectories;
  /** A machine of this provider is wanted soon: what that takes is loaded while something else is waited for. Never throws. */
  prepareMachine(provider: string): void;
  /** A machine of no run, for somebody to look into; destroyed by disposal. Throws what making one throws, or the signal's reason. */
  openMachine(wish: MachineWish, signal: AbortSignal): Promise<OpenMachine>;
  /**
   * The machine of a job that runs now, in whatever process of this user; disposal leaves it. `run`: the whole id; `job`: its key or
   * id, undefined where only one is in a machine. Throws RUN_NOT_FOUND.
   */
  enterRun(run: string, job: string | undefined): Promise<EnteredJob>;
  readonly held: HeldMachines;
  /** For a job of it that waits at a failed step. Throws RUN_NOT_FOUND where none does. */
  decideRun(
    run: string,
    how: { readonly job: string | undefined; readonly decision: PauseDecision },
  ): Promise<{ readonly job: string; readonly step: number }>;
  /**
   * So many runs are about to come beside those that have started: machines may be made for them ahead. Undefined: nobody
   * knows, so it is guessed from those that came. 0 until it is told.
   */
  expectRuns(runs: number | undefined): void;
  /**
   * Tells what takes long while machines are made, a line each (a kernel being downloaded, a template being made), until the
   * returned function is called.
   */
  onMachineProgress(listener: (line: string) => void): () => void;
  /** Destroys the machines that were made ahead. No run is started afterwards. Safe to call twice. */
  close(): Promise<void>;
  /**
   * Tells of changes in the repository's working tree, what git ignores left out, until it is disposed of. Resolves when it
   * listens. Throws WATCH_FAILED.
   */
  watch(repository: string, listener: WatchListener): Promise<Disposable>;
  /** Installs what is missing; safe to do again. Throws SETUP_FAILED or IMAGE_BUILD_FAILED with the fix. */
  setupHost(wish: SetupWish, options: Progress): Promise<void>;
  setupGvisor(options: SetupGvisorOptions): Promise<{ readonly binary: string; readonly version: string }>;
  /** Copies what was downloaded. Throws SETUP_FAILED; then nothing has changed. */
  setupFirecracker(options: SetupFirecrackerOptions): Promise<RegisteredBinaries>;
  /** Looks at the host and changes nothing. */
  inspectProductionHost(): Promise<readonly HostCheck[]>;
  /** Asks the configured model five questions. Throws for nothing that the model does. */
  inspectModel(): Promise<ModelReport>;
  /** Looks at the host and changes nothing. Lines come as they are known. */
  doctor(): AsyncIterable<DoctorLine>;
}

/** Actions of other repositories: what references mean, and what is kept on this host. All throw BAD_USAGE for unreadable files. */
interface Actions {
  /** Writes the lock file, unless a reference cannot be found. */
  lock(request: ManageRequest): Promise<ManageReport>;
  fetch(request: ManageRequest): Promise<ManageReport>;
  /** Writes the lock file only where the request says so. */
  translate(request: TranslateRequest): Promise<TranslateReport>;
  /** Each action with its translation, to be run beside each other. */
  compare(request: VerifyRequest): Promise<readonly Comparison[]>;
  list(): Promise<readonly KeptAction[]>;
  /** `lacking`: references that the lock file pins and that are not kept. */
  verify(): Promise<{ readonly verified: readonly VerifiedAction[]; readonly lacking: readonly string[] }>;
  /** Removes what was last used before then; returns it. */
  prune(before: Date): Promise<readonly KeptAction[]>;
}

/** Flags that are settings: the same for every command, and laid over the environment by `config.ts`. */
export interface Flags {
  readonly state?: string;
  readonly provider?: string;
  readonly concurrency?: number;
  readonly network?: string;
  readonly allowHost?: readonly string[];
  readonly caFile?: readonly string[];
  readonly mirror?: string;
  readonly api?: string;
  readonly apiState?: string;
  readonly server?: string;
}

export interface Setting {
  readonly name: string;
  /** For people; credentials in it are hidden. */
  readonly value: string;
  readonly unit: string | undefined;
  readonly doc: string;
  /** Where the value came from: `--state`, `$HEARTH_STATE`, `~/.npmrc`, `default`. */
  readonly source: string;
}

export interface RunOptions {
  readonly provider: Provider;
  /** Absolute path of the repository's root. */
  readonly repository: string;
  readonly secrets: { readonly [name: string]: string };
  readonly vars: { readonly [name: string]: string };
  readonly env: { readonly [name: string]: string };
  readonly machinePer: "workflow" | "job";
  readonly runners: RunnerMap;
  readonly environments: { readonly [name: string]: EnvironmentSettings };
  /** Hosts that machines may reach beside those of the settings. */
  readonly network: readonly string[];
  readonly skipUnsupported: boolean;
  readonly earlier: EarlierAttempt | undefined;
  /** Undefined: none are taken. `keep`: also of a run that succeeds; those of one that does not are kept anyway. */
  readonly checkpoints?: { readonly when: "auto" | "steps"; readonly keep: boolean } | undefined;
  readonly resumption?: Resumption | undefined;
  /** A job whose step fails waits for `decideRun`. */
  readonly pauseOnFailure?: boolean | undefined;
  /** Cells of a matrix whose first steps are the same run them once. */
  readonly matrixFork?: boolean;
  /** False: of somebody who may not write to the repository; they get no secrets either. Default: true. */
  readonly trusted?: boolean;
  /** What the record calls the repository, and run numbers count for; default: its root. */
  readonly recordedAs?: string;
  /** GUID of the delivery that caused it. */
  readonly delivery?: string | undefined;
  /** Called with every event, in order, after it was given to the store. Must not throw. */
  readonly onEvent: (event: RunEvent) => void;
}

export interface WorkingTreeChanges extends TreeChanges {
  /** Tar archives of what is changed, one after the other. */
  readonly archives: () => AsyncIterable<Buffer>;
}

export interface MachineWish {
  readonly provider: Provider;
  /** `[a-z0-9-]{1,40}`, of no other machine of this host. */
  readonly id: string;
  /** Undefined: the default one. */
  readonly image: string | undefined;
  /** As it was saved, rather than a new one. */
  readonly saved: Resumption["machine"] | undefined;
  /** Names the workspace. */
  readonly repository: string;
  /** Hosts that it may reach beside those of the settings. */
  readonly network: readonly string[];
  /**
   * Names those that are there at the same time, or none is of use: one that can never have a place beside the others is refused. Undefined:
   * it is alone.
   */
  readonly group?: string | undefined;
}

/** Machines of no run that others than who made them may enter. */
export interface HeldMachines {
  /** It can be entered until disposal, which leaves the machine; its name is `name` and more. */
  hold(name: string, machine: OpenMachine, place: ShellPlace): Promise<AsyncDisposable & { readonly id: string }>;
  /** Undefined where none has that name. Throws RUN_NOT_FOUND where its process is gone. */
  enter(id: string): Promise<EnteredJob | undefined>;
}

export interface OpenMachine extends AsyncDisposable {
  readonly machine: JobMachine;
}

export interface RunHandle {
  readonly run: string;
  /** Never rejects for what happens inside the run. */
  readonly outcome: Promise<RunOutcome>;
  /** The contract's ladder: steps are asked to stop, `always()` steps still run. Safe to call again, also when it is over. */
  cancel(): void;
  /** Everything ends at once. Safe to call again, also when it is over. */
  kill(): void;
}

export interface WatchListener {
  /** Relative to the repository. */
  readonly onChange: (paths: readonly string[]) => void;
  /** Nothing more will be told. */
  readonly onError: (error: unknown) => void;
}

interface Images {
  /** From a definition file, else the one that Hearth brings. Returns at once when it is there. */
  build(options: Progress & { readonly definition: string | undefined }): Promise<ImageSummary>;
  /** Newest first. */
  list(): Promise<readonly ImageSummary[]>;
  /** By name, or by the beginning of the digest. Throws IMAGE_MISSING. */
  remove(name: string): Promise<ImageSummary>;
}

export interface ImageSummary {
  readonly name: string;
  readonly digest: string;
  readonly builtAt: Date;
  readonly sizeBytes: number;
  readonly directory: string;
}

interface Caches {
  /** The one that was used last comes first. */
  list(): Promise<readonly CacheSummary[]>;
  /** Safe for ids that are not there any more. */
  remove(ids: readonly number[]): Promise<void>;
}

interface Artifacts {
  /** Of a run, oldest first. */
  list(run: string): Promise<readonly ArtifactSummary[]>;
  /** Into a directory that is new or empty. Throws STATE_UNREADABLE, ARCHIVE_REFUSED, and BAD_USAGE for one that is not. */
  save(artifact: ArtifactSummary, directory: string): Promise<void>;
}

/** `hearth artifacts list --json` prints it: a change of a member is a change of a public format. */
export interface ArtifactSummary {
  readonly id: number;
  readonly name: string;
  /** Of the run: from 1. */
  readonly attempt: number;
  readonly sizeBytes: number;
  /** In hex. */
  readonly sha256: string;
  readonly mimeType: string;
  readonly createdAt: string;
  readonly expiresAt: string;
}

interface Machines {
  /** Of this install, in whatever process; the oldest first. */
  list(): Promise<readonly MachineSummary[]>;
  /** Ends what was left behind. A line for each thing that was ended or removed, or could not be. */
  reap(): Promise<readonly string[]>;
  readonly templates: Templates;
}

interface Templates {
  /** Most recently used first. */
  list(): Promise<readonly TemplateSummary[]>;
  /**
   * Those whose image is gone, those not used for so long, or all; never one in use. Answers what is gone. Waits while a template
   * is made; throws the signal's reason.
   */
  prune(
    which: { readonly all: boolean; readonly olderThanMs: number | undefined },
    signal: AbortSignal,
  ): Promise<readonly TemplateSummary[]>;
}

/** `hearth machines templates --json` prints it: a change of a member is a change of a public format. */
export interface TemplateSummary {
  readonly key: string;
  readonly provider: string;
  /** Its name; null where this host has that image no more. */
  readonly image: string | null;
  readonly imageDigest: string;
  /** On the disk. */
  readonly sizeBytes: number;
  readonly madeAt: string;
  readonly usedAt: string;
  readonly inUse: boolean;
  /** Why such machines cannot be saved, and are started from nothing: a note of that and nothing more. */
  readonly impossible: string | null;
}

/** `hearth machines list --json` prints it: a change of a member is a change of a public format. */
export interface MachineSummary {
  readonly machine: string;
  readonly provider: ProviderName;
  /** `left behind`: the process that owned it is gone. */
  readonly state: "waiting" | "running" | "warm" | "left behind";
  readonly cpus: number;
  /** With what the provider needs beside the guest's; 0 where machines are the host's own processes. */
  readonly memoryMib: number;
  readonly since: string;
  readonly ownerPid: number;
  /** Of the machine, as far as this host shows them. */
  readonly pids: readonly number[];
}

interface Identity {
  /** RFC 7517, newest first. Makes the first one. */
  publicKeys(): Promise<readonly object[]>;
  rotate(): Promise<void>;
}

/** `hearth caches list --json` prints it: a change of a member is a change of a public format. */
export interface CacheSummary {
  readonly id: number;
  /** `owner/name` in lower case. */
  readonly repository: string;
  /** The ref that it belongs to. */
  readonly scope: string;
  readonly key: string;
  readonly version: string;
  readonly sizeBytes: number;
  readonly createdAt: string;
  readonly usedAt: string;
}

interface Tools {
  /** `node@24`. At once when that version is there. Throws BAD_USAGE or SETUP_FAILED. */
  add(wish: string, progress: Progress): Promise<ToolSummary>;
  /** By name, newest first. */
  list(): Promise<readonly ToolSummary[]>;
  /** All whose version begins so. Throws BAD_USAGE where there is none. */
  remove(wish: string): Promise<readonly ToolSummary[]>;
}

export interface ToolSummary {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly sizeBytes: number;
  readonly directory: string;
}

interface Progress {
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

interface SetupFirecrackerOptions extends Progress {
  readonly binary: string;
  readonly jailer: string | undefined;
}

interface RegisteredBinary {
  readonly version: string;
  readonly sha256: string;
}

interface RegisteredBinaries {
  readonly firecracker: RegisteredBinary;
  readonly jailer?: RegisteredBinary | undefined;
}

interface SetupGvisorOptions extends Progress {
  /** A runsc of one's own; undefined: from PATH, else built. */
  readonly binary: string | undefined;
}
