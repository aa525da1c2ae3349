/** The composition root: settings in, the wired program out. The only place that names implementations. */
import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { agentBundle } from "./agent-bundle.ts";
import type { ServerDoor } from "./commands/server-door.ts";
import type { ArtifactSummary, Hearth, RunHandle, RunOptions } from "./commands/hearth.ts";
import { readCertificateAuthorities } from "./config.ts";
import type { Config } from "./config.ts";
import { claimDirectory, sweepAbandoned } from "./lib/owned-directory.ts";
import { EngineError } from "./lib/engine-error.ts";
import { ownUserName } from "./lib/own-user-name.ts";
import { makeRunDirectory } from "./lib/run-directory.ts";
import type { ConcurrencyGroups } from "./engine/concurrency-groups.ts";
import type { RunOutcome } from "./engine/run-settings.ts";
import type { Plan } from "./plan/plan.ts";
import { chooseProvider, requireNoLessIsolation, requireProvider } from "./provider/choose-provider.ts";
import type { Candidate, ChosenProvider } from "./provider/choose-provider.ts";
import type { Provider, ProviderName } from "./provider/provider.ts";
import type { Artifact } from "./service/artifact-store.ts";
import type { OidcSettings } from "./service/oidc-endpoint.ts";
import type { IdentityKeys } from "./service/oidc-keys.ts";
import type { OwnRepository } from "./service/repository-lookup.ts";
import type { NetworkPolicy, Services } from "./service/services.ts";
import type { HearthHost } from "./select/hearth-settings.ts";
import type { SelectionParts, SelectRequest } from "./select/select-workflows.ts";
import { checkpointsFor, createHostCheckpoints, hostForkDirectories } from "./host-checkpoints.ts";
import { createHeldMachines } from "./held-machines.ts";
import type { HostMachines } from "./host-machines.ts";
import { createHostModel, modelFigures } from "./host-model.ts";
import { createHostTraces } from "./host-traces.ts";
import type { RunApi } from "./run-api.ts";
import { createJsonlRunStore, runDirectory } from "./store/jsonl-run-store.ts";
import type { RunEventBody } from "./store/run-event.ts";
import type { RunWriter } from "./store/run-store.ts";

/** `environment` is the process's own: steps on the host inherit it, programs are found by its PATH. */
export function compose(config: Config, environment: NodeJS.ProcessEnv): Hearth {
  const { concurrency, settings, dataDir, stateDir, runDir } = config;
  const keptArtifacts = { stateDir, now: Date.now };
  const checkpoints = createHostCheckpoints(config);
  const forks = hostForkDirectories(config);
  const store = createJsonlRunStore({
    stateDir,
    now: Date.now,
    random: Math.random,
    async onRemoved(run) {
      const { removeArtifactsOfRun } = await import("./service/kept-artifacts.ts");
      await removeArtifactsOfRun(keptArtifacts, String(runIdOf(run)));
      await checkpoints.removeRun(run);
    },
  });
  const keptCaches = { stateDir, now: Date.now, limits: config.cacheLimits };
  /** Of the latest selection, by the repository's root. */
  const parts = new Map<string, SelectionParts>();
  const scratch = scratchDirectory(runDir);
  const remote = { serverUrl: config.serverUrl, token: config.githubToken, directory: join(dataDir, "mirrors") };
  const places = { workingDirectory: process.cwd(), mirrorDir: config.mirrorDir, remote };
  const hostModel = createHostModel(config, environment);
  const hearers = new Set<(line: string) => void>();
  /** The words of a program that failed may have several lines. */
  const progress = (text: string): void => hearers.forEach((hear) => hear(text.trim().replaceAll(/\s*\n\s*/gu, ": ")));
  const onMachineProgress = (listener: (line: string) => void): (() => void) => {
    hearers.add(listener);
    return () => void hearers.delete(listener);
  };
  let warnServed: ((line: string) => void) | undefined;
  const traces = createHostTraces(config, (line) =>
    (warnServed ?? (hearers.size === 0 ? writeWarning : progress))(line),
  );
  const candidates = providerCandidates(config, environment, progress).map(loadedOnce);
  let groups: Promise<ConcurrencyGroups> | undefined;
  const concurrencyGroups = (): Promise<ConcurrencyGroups> =>
    (groups ??= import("./engine/concurrency-groups.ts").then((module) => module.createConcurrencyGroups()));

  const takesNetwork = config.repositoryNetwork || config.network.kind === "open";
  let runsToCome: number | undefined = 0;
  let machines: Promise<HostMachines> | undefined;
  let madeMachines: HostMachines | undefined;
  const templates = async (): Promise<Hearth["machines"]["templates"]> =>
    (await import("./host-templates.ts")).hostTemplates(dataDir, Date.now);
  const hostMachines = (): Promise<HostMachines> =>
    (machines ??= import("./host-machines.ts").then((module) => {
      const made = module.createHostMachines(config);
      made.expectRuns(runsToCome);
      madeMachines = made;
      return made;
    }));

  return {
    concurrency,
    settings,
    store,
    expectRuns,
    onMachineProgress,
    close,
    machines: {
      list: async () => (await import("./provider/machine-list.ts")).listMachines(dataDir),
      reap: async () => (await import("./provider/reaper.ts")).reap({ dataDir, runDir }),
      templates: {
        list: async () => (await templates()).list(),
        prune: async (which, signal) => (await templates()).prune(which, signal),
      },
    },
    async select(request) {
      hostModel.addSecrets(request.secrets ?? []);
      // One process may select again: for a change that it watches, for another project.
      const place = {
        actor: ownUserName(),
        scratch: async () => join(await scratch(), `select-${randomUUID()}`),
        variable: (name: string) => environment[name],
      };
      const { snapshot, actions, ...selection } = await selectIn(request, { ...place, takesNetwork });
      parts.set(selection.repository, { snapshot, actions });
      return selection;
    },
    secrets: secretDoor(config),
    server: lazyServerDoor(async () =>
      (await import("./compose-server.ts")).createServerDoor({
        config,
        environment,
        stored: store,
        concurrency,
        chooseProvider: chooseAny,
        expectRuns,
        onWarning(hear) {
          warnServed = hear;
        },
        onMachineProgress,
        close,
        select(request, { actor, scratch: below, trusted }) {
          hostModel.addSecrets(request.secrets ?? []);
          // A stranger's hearth.yml opens no network, and nobody's reads what this process was told.
          return selectIn(request, {
            actor,
            scratch: async () => below,
            variable: () => undefined,
            takesNetwork: trusted && takesNetwork,
          });
        },
        startRun: (plan, options, selected) => startRun(plan, options, config, selected),
        artifacts: { list: listArtifactsOf, open: openArtifact },
        poolMetrics: () => madeMachines?.metrics() ?? [],
        modelUse: hostModel.use,
      }),
    ),
    async lint(path) {
      const { lintFiles } = await import("./select/lint-files.ts");
      return lintFiles(path, process.cwd());
    },
    chooseProvider: chooseAny,
    startRun: (plan, options) => startRun(plan, options, config, parts.get(options.repository)),
    async changesSince(run, repository) {
      const snapshot = parts.get(repository)?.snapshot;
      if (snapshot === undefined) return undefined;
      const { archivesOf, changesSince } = await import("./git/tree-changes.ts");
      const changes = await changesSince(runDirectory(stateDir, run), snapshot);
      return changes && { ...changes, archives: () => archivesOf(snapshot, changes.changed) };
    },
    prepareMachine(provider) {
      const loading = [
        chooseAny(provider),
        import("./open-machine.ts"),
        hostMachines().then((host) => host.reapAtStart()),
      ];
      // Whoever makes the machine is told.
      for (const one of loading) one.catch(() => undefined);
    },
    async openMachine(wish, signal) {
      const module = await import("./open-machine.ts");
      const host = await hostMachines();
      await host.reapAtStart();
      const network = withHosts(config.network, wish.network);
      const certificateAuthorities = await readCertificateAuthorities(config);
      return module.openMachine(wish, { config, host, network, certificateAuthorities }, signal);
    },
    async enterRun(run, job) {
      const { enterRun } = await import("./door/enter-run.ts");
      return enterRun(run, runDirectory(stateDir, run), job);
    },
    async decideRun(run, how) {
      const { decideRun } = await import("./door/enter-run.ts");
      return decideRun(run, runDirectory(stateDir, run), how);
    },
    async watch(repository, listener) {
      const { watchWorkingTree } = await import("./git/watch-working-tree.ts");
      const isGit = existsSync(join(repository, ".git"));
      return watchWorkingTree({ root: repository, isGit, quietMs: 200, ...listener });
    },
    checkpoints,
    forks,
    held: createHeldMachines(join(stateDir, "held")),
    caches: {
      async list() {
        const { listCaches } = await import("./service/kept-caches.ts");
        return (await listCaches(keptCaches)).map(({ blob: _blob, createdAtMs, usedAtMs, ...entry }) => ({
          ...entry,
          createdAt: new Date(createdAtMs).toISOString(),
          usedAt: new Date(usedAtMs).toISOString(),
        }));
      },
      async remove(ids) {
        const { removeCaches } = await import("./service/kept-caches.ts");
        await removeCaches(keptCaches, ids);
      },
    },
    artifacts: {
      list: listArtifactsOf,
      async save({ id }, directory) {
        const { saveArtifact } = await import("./service/kept-artifacts.ts");
        await saveArtifact(keptArtifacts, id, directory);
      },
    },
    identity: {
      publicKeys: async () => (await identityKeys(dataDir)).publicKeys(),
      rotate: async () => (await identityKeys(dataDir)).rotate(),
    },
    actions: {
      lock: async (request) => (await manageActions()).lockReferences(request, places),
      fetch: async (request) => (await manageActions()).fetchReferences(request, places),
      translate: async (request) =>
        (await import("./select/manage-translations.ts")).manageTranslations(request, {
          ...places,
          translator: hostModel.translator,
        }),
      compare: async (request) =>
        (await import("./select/comparison-projects.ts")).prepareComparisons(request, {
          ...places,
          translator: hostModel.translator,
          scratch,
        }),
      list: async () => (await import("./git/kept-actions.ts")).listKeptActions(remote.directory),
      verify: async () => (await manageActions()).verifyActions(places),
      prune: async (before) => (await manageActions()).pruneActions(places, before),
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
    tools: {
      async add(wish, { progress, signal }) {
        const [{ addTool }, { RELEASE_SITES }] = await Promise.all([
          import("./setup/tools.ts"),
          import("./setup/tool-download.ts"),
        ]);
        const { npmRegistry, goProxies, pypiIndex, upstreamProxy: proxy } = config;
        return addTool(wish, { ...RELEASE_SITES, dataDir, npmRegistry, goProxies, pypiIndex, proxy, progress, signal });
      },
      async list() {
        const { listTools } = await import("./setup/tools.ts");
        return listTools(dataDir);
      },
      async remove(wish) {
        const { removeTools } = await import("./setup/tools.ts");
        return removeTools(wish, dataDir);
      },
    },
    async setupFirecracker({ binary, jailer, progress, signal }) {
      const { setupFirecracker } = await import("./setup/firecracker.ts");
      const { format: _format, ...binaries } = await setupFirecracker({ dataDir, binary, jailer, progress, signal });
      return binaries;
    },
    inspectModel: () => hostModel.inspect(new AbortController().signal),
    async inspectProductionHost() {
      const [{ inspectProductionHost }, { SERIAL_LIMITS_SINCE, findBinaries, isAtLeast }] = await Promise.all([
        import("./setup/production-host.ts"),
        import("./provider/firecracker/binary.ts"),
      ]);
      const found = await findBinaries(dataDir);
      const { jailer, console } = config.firecracker;
      return inspectProductionHost({
        root: "/",
        jailer: { registered: found.ok && found.binaries.jailer !== undefined, required: jailer === "required" },
        console: { on: console, limited: found.ok && isAtLeast(found.binaries.version, SERIAL_LIMITS_SINCE) },
        disksLimited: true,
      });
    },
    async setupGvisor({ binary, progress, signal }) {
      const { setupGvisorAlone } = await import("./setup/setup-host.ts");
      return setupGvisorAlone(binary, { dataDir, progress, signal, machines: usualMachine });
    },
    async setupHost(wish, { progress, signal }) {
      const { setupHost } = await import("./setup/setup-host.ts");
      await setupHost(wish, { dataDir, progress, signal, machines: usualMachine });
    },
    async *doctor() {
      const { inspectHost } = await import("./setup/inspect-host.ts");
      yield* inspectHost({ dataDir, candidates });
      const { inspectMachines } = await import("./provider/machine-list.ts");
      yield { ...(await inspectMachines(dataDir)), provider: undefined };
    },
  };

  /** What `hearth setup` makes templates of. */
  async function usualMachine() {
    const { findCgroupRoot, thisHost } = await import("./provider/cgroup-root.ts");
    return {
      options: {
        runDir,
        agentBundle: await agentBundle(dataDir),
        searchPath: environment["PATH"] ?? "",
        uid: process.getuid?.() ?? 0,
        cgroups: await findCgroupRoot(await thisHost()),
      },
      spec: {
        id: `setup-${process.pid}`,
        cpus: config.machineCpus,
        memoryMib: config.machineMemoryMib,
        certificateAuthorities: await readCertificateAuthorities(config),
        image: undefined,
      },
    };
  }

  function chooseAny(provider: string | undefined = config.provider): Promise<ChosenProvider> {
    if (provider === undefined) return chooseProvider(candidates.filter(({ isolates }) => isolates));
    return chooseNamed(provider);
  }

  function expectRuns(runs: number | undefined): void {
    runsToCome = runs;
    void machines?.then((made) => made.expectRuns(runs));
  }

  async function close(): Promise<void> {
    const made = machines;
    machines = undefined;
    await (await made)?.[Symbol.asyncDispose]();
    await Promise.all([hostModel.close(), traces.close()]);
  }

  async function selectIn(request: SelectRequest, { actor, scratch: place, ...host }: SelectPlace) {
    const { selectWorkflows } = await import("./select/select-workflows.ts");
    return selectWorkflows(request, {
      workingDirectory: process.cwd(),
      actor,
      mirrorDir: config.mirrorDir,
      remote,
      scratch: place,
      translator: hostModel.translator,
      host: {
        provider: config.provider,
        cpus: availableParallelism(),
        // A quarter of the memory is left to the host.
        memoryMib: Math.floor((totalmem() * 0.75) / 1024 / 1024),
        arch: process.arch === "arm64" ? "ARM64" : "X64",
        images: async () => (await import("./image/image-store.ts")).listImages(dataDir),
        ...host,
      },
    });
  }

  async function listArtifactsOf(run: string): Promise<readonly ArtifactSummary[]> {
    const { listArtifacts } = await import("./service/kept-artifacts.ts");
    return (await listArtifacts(keptArtifacts, String(runIdOf(run)))).map(summariseArtifact);
  }

  async function openArtifact(id: number) {
    const { readArtifact } = await import("./service/kept-artifacts.ts");
    return readArtifact(keptArtifacts, id);
  }

  function chooseNamed(provider: string): Promise<ChosenProvider> {
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
    selected: SelectionParts | undefined,
  ): Promise<RunHandle> {
    const [{ runWorkflow }, { RUNNER_LADDER }, { createRunApi }, { withBuiltins }, { NO_ACTION_SOURCE }] =
      await Promise.all([
        import("./engine/run-workflow.ts"),
        import("./engine/exec-process.ts"),
        import("./run-api.ts"),
        import("./builtin-bundle.ts"),
        import("./action/action-source.ts"),
      ]);
    const { snapshot, actions } = selected ?? { snapshot: undefined, actions: NO_ACTION_SOURCE };
    const certificateAuthorities = await readCertificateAuthorities(config);
    const api = await createRunApi({
      plan,
      config,
      root: options.repository,
      snapshotGitDir: snapshot?.gitDir,
      scratch: async () => join(await scratch(), `api-${randomUUID()}`),
      givenToken: options.secrets["GITHUB_TOKEN"],
    });
    const { path } = plan.workflow;
    const writer = await store.create({
      repository: options.recordedAs ?? options.repository,
      workflow: path,
      event: plan.event.name,
      attemptOf: options.earlier?.run,
    });
    if (snapshot !== undefined && options.checkpoints !== undefined) {
      const { keepListing, passOnListing } = await import("./git/tree-changes.ts");
      const { resumption } = options;
      const directory = runDirectory(stateDir, writer.run);
      // What the machine has checked out is what that run had, unless it was brought up to date.
      if (resumption === undefined || resumption.prepare !== undefined) await keepListing(directory, snapshot);
      else await passOnListing(runDirectory(stateDir, resumption.run), directory);
    }
    const services = lazyServices(snapshot && { ...plan.event.repository, gitDir: snapshot.gitDir }, config, api);
    const cancel = new AbortController();
    const kill = new AbortController();
    const host = await hostMachines();
    await host.reapAtStart();
    const { owner, name } = plan.event.repository;
    const trace = await traces.follow({ repository: `${owner}/${name}`, delivery: options.delivery });
    const emit = (event: RunEventBody): void => {
      const kept = writer.append(event.type === "run_started" ? { ...event, ...modelFigures(hostModel.use()) } : event);
      api.note(kept);
      trace(kept);
      options.onEvent(kept);
    };
    const placed = (provider: Provider, pooled: boolean): Provider =>
      host.providerFor(provider, {
        run: writer.run,
        keepsMachines: options.machinePer === "workflow",
        copies: options.matrixFork === true,
        pooled,
        onWait: (machine, lack) => emit({ type: "machine_waiting", machine, lack }),
      });
    const { openRunDoor } = await import("./door/run-door.ts");
    // A file system that has no sockets is no reason not to run.
    const door = await openRunDoor(runDirectory(stateDir, writer.run)).catch(() => undefined);
    const running = runWorkflow(
      plan,
      {
        run: writer.run,
        runId: runIdOf(options.earlier?.firstRun ?? writer.run),
        runNumber: writer.runNumber,
        secrets: config.api === "github" ? withoutGithubToken(options.secrets) : options.secrets,
        vars: options.vars,
        env: options.env,
        machinePer: options.machinePer,
        environments: options.environments,
        runners: options.runners,
        skipUnsupported: options.skipUnsupported,
        earlier: options.earlier,
        resumption: options.resumption,
        pauseOnFailure: options.pauseOnFailure,
        trusted: options.trusted ?? true,
        maxParallelJobs: concurrency,
        network: withHosts(config.network, options.network),
        cpus: config.machineCpus,
        memoryMib: config.machineMemoryMib,
        certificateAuthorities,
        npmRegistry: config.npmRegistry,
        debug: isDebug(options),
      },
      {
        provider: placed(options.provider, true),
        namedProvider: async (name) => placed(await namedProvider(name, options.provider), false),
        concurrency: await concurrencyGroups(),
        services,
        actions: withBuiltins(actions, dataDir),
        checkpoints: options.checkpoints && checkpointsFor(options.checkpoints.when, checkpoints),
        forks: options.matrixFork === true ? forks : undefined,
        emit,
        now: () => performance.now(),
        newId: randomUUID,
        ladder: RUNNER_LADDER,
        door,
      },
      { cancel: cancel.signal, kill: kill.signal },
    );
    return {
      run: writer.run,
      outcome: closedAfter(running, writer, door).then(async (outcome) => {
        const { keep } = options.checkpoints ?? { keep: true };
        if (!keep && outcome.conclusion === "success") await checkpoints.removeRun(writer.run);
        return outcome;
      }),
      cancel: () => cancel.abort(),
      kill: () => kill.abort(),
    };
  }
}

interface SelectPlace extends Pick<HearthHost, "variable" | "takesNetwork"> {
  readonly actor: string;
  readonly scratch: () => Promise<string>;
}

function writeWarning(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Nothing of a server is loaded before one of these is called. */
function lazyServerDoor(load: () => Promise<ServerDoor>): ServerDoor {
  let loaded: Promise<ServerDoor> | undefined;
  const door = (): Promise<ServerDoor> => (loaded ??= load());
  return {
    serve: async () => (await door()).serve(),
    ask: async (request) => (await door()).ask(request),
    received: async (repository, stdin, pusher) => (await door()).received(repository, stdin, pusher),
    describe: async () => (await door()).describe(),
    tokens: async () => (await door()).tokens(),
    settings: async () => (await door()).settings(),
    backup: async (file) => (await door()).backup(file),
    restore: async (file, force) => (await door()).restore(file, force),
  };
}

/** Loaded when asked for. */
const manageActions = () => import("./select/manage-actions.ts");

/** The outcome is known when the run is kept. */
async function closedAfter(
  running: Promise<RunOutcome>,
  writer: RunWriter,
  door: AsyncDisposable | undefined,
): Promise<RunOutcome> {
  try {
    return await running;
  } finally {
    await door?.[Symbol.asyncDispose]();
    await writer.close();
  }
}

/** Node's HTTP costs 20 ms to load, and a run on the host without a checkout never needs it. */
function lazyServices(own: OwnRepository | undefined, config: Config, api: RunApi): Services {
  return {
    async attach(request) {
      const [{ createServices }, { createLookup }] = await Promise.all([
        import("./service/local-services.ts"),
        import("./service/repository-lookup.ts"),
      ]);
      const { mirrorDir, upstreamProxy, stateDir, cacheLimits, secretsInUploads } = config;
      return createServices({
        lookup: createLookup(own, mirrorDir),
        upstreamProxy,
        kept: {
          stateDir,
          settings: {
            caches: cacheLimits,
            secretsInUploads,
            oidc: await oidcSettings(config),
            api: await api.settings(),
          },
          now: Date.now,
        },
      }).attach(request);
    },
  };
}

async function oidcSettings({ dataDir, oidcIssuer }: Config): Promise<OidcSettings> {
  return { keys: await identityKeys(dataDir), issuer: oidcIssuer };
}

/** The store is open no longer than each command needs it: a server may have it open as well. */
function secretDoor({ stateDir, secretKey }: Config): Hearth["secrets"] {
  const open = async () => {
    const { openSecretStore } = await import("./secret/secret-store.ts");
    return openSecretStore({ stateDir, ...secretKey, now: Date.now });
  };
  return {
    async set(kind, scope, name, value) {
      using store = await open();
      store.set(kind, scope, name, value);
    },
    async remove(kind, scope, name) {
      using store = await open();
      return store.remove(kind, scope, name);
    },
    async list(kind, scope) {
      using store = await open();
      return store.list(kind, scope);
    },
    async repositoryHere() {
      const { describeRepository } = await import("./git/repository.ts");
      const { owner, name, remoteUrl } = await describeRepository(process.cwd());
      if (remoteUrl !== undefined) return `${owner}/${name}`;
      throw new EngineError("BAD_USAGE", "No repository with a remote is here", {
        hint: "Name one: --repo owner/name",
      });
    },
  };
}

async function identityKeys(dataDir: string): Promise<IdentityKeys> {
  const { openIdentityKeys } = await import("./service/oidc-keys.ts");
  return openIdentityKeys({ directory: join(dataDir, "oidc"), now: Date.now });
}

function summariseArtifact({ id, name, attempt, sizeBytes, sha256, mimeType, ...times }: Artifact): ArtifactSummary {
  const [createdAt, expiresAt] = [new Date(times.createdAtMs).toISOString(), new Date(times.expiresAtMs).toISOString()];
  return { id, name, attempt, sizeBytes, sha256, mimeType, createdAt, expiresAt };
}

interface ComposedCandidate extends Candidate {
  readonly label: string;
  /** Chosen without being named: never one that isolates nothing. */
  readonly isolates: boolean;
}

/** In order of preference (DESIGN §4). Loaded when asked for. */
function providerCandidates(
  { dataDir, runDir, api, firecracker }: Config,
  environment: NodeJS.ProcessEnv,
  progress: (line: string) => void,
): readonly ComposedCandidate[] {
  const qemu = async (accelerator: "kvm" | "tcg" | "hvf"): Promise<Provider> => {
    const { createQemuProvider } = await import("./provider/qemu/provider.ts");
    const { findCgroupRoot, thisHost } = await import("./provider/cgroup-root.ts");
    return createQemuProvider({
      dataDir,
      agentBundle: await agentBundle(dataDir),
      accelerator,
      progress,
      cgroups: await findCgroupRoot(await thisHost()),
    });
  };
  return [
    {
      name: "firecracker",
      label: "firecracker",
      isolates: true,
      load: async () => {
        const { createFirecrackerProvider } = await import("./provider/firecracker/provider.ts");
        return createFirecrackerProvider({
          dataDir,
          agentBundle: await agentBundle(dataDir),
          progress,
          uid: process.getuid?.() ?? 0,
          jailer: firecracker.jailer,
          device: "/dev/kvm",
          limits: firecracker,
          cgroupMount: "/sys/fs/cgroup",
          probeDeadlineMs: 5_000,
          startDeadlineMs: 60_000,
        });
      },
    },
    process.platform === "darwin"
      ? { name: "qemu", label: "qemu with HVF", isolates: true, load: () => qemu("hvf") }
      : { name: "qemu", label: "qemu with KVM", isolates: true, load: () => qemu("kvm") },
    {
      name: "gvisor",
      label: "gvisor",
      isolates: true,
      load: async () => {
        const { gvisorProvider } = await import("./provider/gvisor/provider.ts");
        const { findCgroupRoot, thisHost } = await import("./provider/cgroup-root.ts");
        return gvisorProvider({
          dataDir,
          runDir,
          progress,
          agentBundle: await agentBundle(dataDir),
          searchPath: environment["PATH"] ?? "",
          uid: process.getuid?.() ?? 0,
          cgroups: await findCgroupRoot(await thisHost()),
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
        const { toolCacheDirectory } = await import("./image/tool-cache.ts");
        // Of the token that asks GitHub for jobs, steps see nothing.
        const env = api === "github" ? { ...environment, GITHUB_TOKEN: undefined } : environment;
        return hostProvider({ env, toolCache: toolCacheDirectory(dataDir) });
      },
    },
  ];
}

/** The same provider for every run of this process: what is kept for one is found again. */
function loadedOnce(candidate: ComposedCandidate): ComposedCandidate {
  let loaded: Promise<Provider> | undefined;
  return { ...candidate, load: () => (loaded ??= candidate.load()) };
}

/** Made when it is first asked for, removed when the process ends, however it ends short of a kill. */
function scratchDirectory(runDir: string): () => Promise<string> {
  let made: Promise<string> | undefined;
  return () => {
    made ??= makeRunDirectory(runDir)
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

/** The operator's policy, and the hosts of `hearth.yml` that it takes. */
function withHosts(policy: NetworkPolicy, hosts: readonly string[]): NetworkPolicy {
  if (policy.kind === "open" || hosts.length === 0) return policy;
  return { kind: "allow", hosts: policy.kind === "allow" ? [...policy.hosts, ...hosts] : hosts };
}

/** It stays on this host, which asks GitHub with it for the job. */
function withoutGithubToken(secrets: RunOptions["secrets"]): RunOptions["secrets"] {
  return Object.fromEntries(Object.entries(secrets).filter(([name]) => name.toUpperCase() !== "GITHUB_TOKEN"));
}

/** GitHub takes the switch from a secret or a variable of this name. */
function isDebug({ secrets, vars }: RunOptions): boolean {
  return (secrets["ACTIONS_STEP_DEBUG"] ?? vars["ACTIONS_STEP_DEBUG"])?.toLowerCase() === "true";
}
