/** The composition root: settings in, the wired program out. The only place that names implementations. */
import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { availableParallelism, totalmem, userInfo } from "node:os";
import { join } from "node:path";
import { NO_ACTION_SOURCE } from "./action/action-source.ts";
import { agentBundle } from "./agent-bundle.ts";
import type { Hearth, RunHandle, RunOptions } from "./commands/hearth.ts";
import { readCertificateAuthorities } from "./config.ts";
import type { Config } from "./config.ts";
import { claimDirectory, sweepAbandoned } from "./lib/owned-directory.ts";
import { EngineError } from "./lib/engine-error.ts";
import type { ConcurrencyGroups } from "./engine/concurrency-groups.ts";
import type { RunOutcome } from "./engine/run-settings.ts";
import type { Plan } from "./plan/plan.ts";
import { chooseProvider, requireNoLessIsolation, requireProvider } from "./provider/choose-provider.ts";
import type { Candidate, ChosenProvider } from "./provider/choose-provider.ts";
import type { Provider, ProviderName } from "./provider/provider.ts";
import type { OwnRepository } from "./service/repository-lookup.ts";
import type { Services } from "./service/services.ts";
import type { Snapshot } from "./git/working-tree.ts";
import { createJsonlRunStore } from "./store/jsonl-run-store.ts";
import type { RunWriter } from "./store/run-store.ts";

/** `environment` is the process's own: steps on the host inherit it, programs are found by its PATH. */
export function compose(config: Config, environment: NodeJS.ProcessEnv): Hearth {
  const { concurrency, settings, dataDir, stateDir, runDir } = config;
  const store = createJsonlRunStore({ stateDir, now: Date.now, random: Math.random });
  const snapshots = new Map<string, Snapshot>();
  const scratch = scratchDirectory(runDir);
  const candidates = providerCandidates(config, environment);
  let groups: Promise<ConcurrencyGroups> | undefined;
  const concurrencyGroups = (): Promise<ConcurrencyGroups> =>
    (groups ??= import("./engine/concurrency-groups.ts").then((module) => module.createConcurrencyGroups()));

  return {
    concurrency,
    settings,
    store,
    async select(request) {
      const { selectWorkflows } = await import("./select/select-workflows.ts");
      const { snapshot, ...selection } = await selectWorkflows(request, {
        workingDirectory: process.cwd(),
        actor: userInfo().username,
        builtins: true,
        mirrorDir: config.mirrorDir,
        remote: { serverUrl: config.serverUrl, token: config.githubToken, directory: join(dataDir, "mirrors") },
        scratch,
        host: {
          provider: config.provider,
          cpus: availableParallelism(),
          // A quarter of the memory is left to the host.
          memoryMib: Math.floor((totalmem() * 0.75) / 1024 / 1024),
          arch: process.arch === "arm64" ? "ARM64" : "X64",
          images: async () => (await import("./image/image-store.ts")).listImages(dataDir),
          variable: (name) => environment[name],
        },
      });
      if (snapshot !== undefined) snapshots.set(selection.repository, snapshot);
      return selection;
    },
    async lint(path) {
      const { lintFiles } = await import("./select/lint-files.ts");
      return lintFiles(path, process.cwd());
    },
    chooseProvider() {
      const { provider } = config;
      if (provider === undefined) return chooseProvider(candidates.filter(({ isolates }) => isolates));
      return chooseNamed(provider);
    },
    startRun: (plan, options) => startRun(plan, options, config, snapshots.get(options.repository)),
    async watch(repository, listener) {
      const { watchWorkingTree } = await import("./git/watch-working-tree.ts");
      const isGit = existsSync(join(repository, ".git"));
      return watchWorkingTree({ root: repository, isGit, quietMs: 200, ...listener });
    },
    images: {
      async build({ definition, progress, signal }) {
        const { setupImage } = await import("./setup/setup-host.ts");
        return setupImage(definition, { dataDir, progress, signal });
      },
      async list() {
        const { listImages } = await import("./image/image-store.ts");
        return listImages(dataDir);
      },
      async remove(name) {
        const { listImages, removeImage } = await import("./image/image-store.ts");
        const image = (await listImages(dataDir)).find((one) => one.name === name || one.digest.startsWith(name));
        if (image === undefined) {
          throw new EngineError("IMAGE_MISSING", `Cannot remove image ${name}: there is none`, {
            hint: "hearth image list",
          });
        }
        await removeImage(image);
        return image;
      },
    },
    async setupGvisor({ binary, progress, signal }) {
      const { setupGvisor } = await import("./setup/gvisor.ts");
      return setupGvisor({ dataDir, binary, progress, signal });
    },
    async setupHost(wish, { progress, signal }) {
      const { setupHost } = await import("./setup/setup-host.ts");
      await setupHost(wish, { dataDir, progress, signal });
    },
    async *doctor() {
      const { inspectHost } = await import("./setup/inspect-host.ts");
      yield* inspectHost({ dataDir, candidates });
    },
  };

  function chooseNamed(provider: ProviderName): Promise<ChosenProvider> {
    const named = candidates.filter(({ name }) => name === provider);
    const [only] = named;
    if (only === undefined) throw new EngineError("BAD_USAGE", `There is no provider ${provider} in this version`);
    return named.length === 1 ? requireProvider(only) : chooseProvider(named);
  }

  /** For a job of a run on `own`; never one that isolates less, since a file of the repository names it. */
  async function namedProvider(name: ProviderName, own: Provider): Promise<Provider> {
    const [named, probe] = await Promise.all([chooseNamed(name), own.probe()]);
    if (probe.ok) requireNoLessIsolation(named, probe.isolation);
    return named.provider;
  }

  async function startRun(
    plan: Plan,
    options: RunOptions,
    config: Config,
    snapshot: Snapshot | undefined,
  ): Promise<RunHandle> {
    const [{ runWorkflow }, { RUNNER_LADDER }] = await Promise.all([
      import("./engine/run-workflow.ts"),
      import("./engine/exec-process.ts"),
    ]);
    const certificateAuthorities = await readCertificateAuthorities(config);
    const { path } = plan.workflow;
    const writer = await store.create({ repository: options.repository, workflow: path, event: plan.event.name });
    const services = lazyServices(snapshot && { ...plan.event.repository, gitDir: snapshot.gitDir }, config);
    const cancel = new AbortController();
    const kill = new AbortController();
    const running = runWorkflow(
      plan,
      {
        run: writer.run,
        runId: runIdOf(writer.run),
        runNumber: writer.runNumber,
        secrets: options.secrets,
        vars: options.vars,
        env: options.env,
        machinePer: options.machinePer,
        environments: options.environments,
        runners: options.runners,
        skipUnsupported: options.skipUnsupported,
        earlier: options.earlier,
        maxParallelJobs: concurrency,
        network: config.network,
        cpus: config.machineCpus,
        memoryMib: config.machineMemoryMib,
        certificateAuthorities,
        npmRegistry: config.npmRegistry,
        debug: isDebug(options),
      },
      {
        provider: options.provider,
        namedProvider: (name) => namedProvider(name, options.provider),
        concurrency: await concurrencyGroups(),
        services,
        actions: NO_ACTION_SOURCE,
        emit: (event) => options.onEvent(writer.append(event)),
        now: () => performance.now(),
        newId: randomUUID,
        ladder: RUNNER_LADDER,
      },
      { cancel: cancel.signal, kill: kill.signal },
    );
    return {
      run: writer.run,
      outcome: closedAfter(running, writer),
      cancel: () => cancel.abort(),
      kill: () => kill.abort(),
    };
  }
}

/** The outcome is known when the run is kept. */
async function closedAfter(running: Promise<RunOutcome>, writer: RunWriter): Promise<RunOutcome> {
  try {
    return await running;
  } finally {
    await writer.close();
  }
}

/** Node's HTTP costs 20 ms to load, and a run on the host without a checkout never needs it. */
function lazyServices(own: OwnRepository | undefined, { mirrorDir, upstreamProxy }: Config): Services {
  return {
    async attach(request) {
      const [{ createServices }, { createLookup }] = await Promise.all([
        import("./service/local-services.ts"),
        import("./service/repository-lookup.ts"),
      ]);
      return createServices({ lookup: createLookup(own, mirrorDir), upstreamProxy }).attach(request);
    },
  };
}

interface ComposedCandidate extends Candidate {
  readonly label: string;
  /** Chosen without being named: never one that isolates nothing. */
  readonly isolates: boolean;
}

/** In order of preference (DESIGN §4). Loaded when asked for. */
function providerCandidates({ dataDir, runDir }: Config, environment: NodeJS.ProcessEnv): readonly ComposedCandidate[] {
  const qemu = async (accelerator: "kvm" | "tcg"): Promise<Provider> => {
    const { createQemuProvider } = await import("./provider/qemu/provider.ts");
    return createQemuProvider({
      dataDir,
      agentBundle: await agentBundle(dataDir),
      accelerator,
      progress: () => undefined,
    });
  };
  return [
    { name: "qemu", label: "qemu with KVM", isolates: true, load: () => qemu("kvm") },
    {
      name: "gvisor",
      label: "gvisor",
      isolates: true,
      load: async () => {
        const { gvisorProvider } = await import("./provider/gvisor/provider.ts");
        return gvisorProvider({
          dataDir,
          runDir,
          agentBundle: await agentBundle(dataDir),
          searchPath: environment["PATH"] ?? "",
          uid: process.getuid?.() ?? 0,
          cgroupMount: "/sys/fs/cgroup",
        });
      },
    },
    { name: "qemu", label: "qemu, emulated", isolates: true, load: () => qemu("tcg") },
    {
      name: "host",
      label: "host",
      isolates: false,
      load: async () => {
        const { hostProvider } = await import("./provider/host/provider.ts");
        return hostProvider({ env: environment });
      },
    },
  ];
}

/** Made when it is first asked for, removed when the process ends, however it ends short of a kill. */
function scratchDirectory(runDir: string): () => Promise<string> {
  let made: Promise<string> | undefined;
  return () => {
    made ??= mkdir(runDir, { recursive: true, mode: 0o700 })
      .then(() => sweepAbandoned(runDir, "tree-"))
      .then(() => mkdtemp(join(runDir, "tree-")))
      .then((directory) => {
        claimDirectory(directory);
        process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
        return directory;
      });
    return made;
  };
}

/** `github.run_id` is a number to actions: the run's own id read in base 36, whose last 53 bits repeat after years. */
function runIdOf(run: string): number {
  const id = run.split("").reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n);
  return Number(BigInt.asUintN(53, id));
}

/** GitHub takes the switch from a secret or a variable of this name. */
function isDebug({ secrets, vars }: RunOptions): boolean {
  return (secrets["ACTIONS_STEP_DEBUG"] ?? vars["ACTIONS_STEP_DEBUG"])?.toLowerCase() === "true";
}
