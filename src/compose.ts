/** The composition root: settings in, the wired program out. The only place that names implementations. */
import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { availableParallelism, totalmem, userInfo } from "node:os";
import { join } from "node:path";
import { agentBundle } from "./agent-bundle.ts";
import type { ArtifactSummary, Hearth, RunHandle, RunOptions } from "./commands/hearth.ts";
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
import type { Artifact } from "./service/artifact-store.ts";
import type { OidcSettings } from "./service/oidc-endpoint.ts";
import type { IdentityKeys } from "./service/oidc-keys.ts";
import type { OwnRepository } from "./service/repository-lookup.ts";
import type { NetworkPolicy, Services } from "./service/services.ts";
import type { SelectionParts } from "./select/select-workflows.ts";
import type { RunApi } from "./run-api.ts";
import { createJsonlRunStore } from "./store/jsonl-run-store.ts";
import type { RunWriter } from "./store/run-store.ts";

/** `environment` is the process's own: steps on the host inherit it, programs are found by its PATH. */
export function compose(config: Config, environment: NodeJS.ProcessEnv): Hearth {
  const { concurrency, settings, dataDir, stateDir, runDir } = config;
  const keptArtifacts = { stateDir, now: Date.now };
  const store = createJsonlRunStore({
    stateDir,
    now: Date.now,
    random: Math.random,
    async onRemoved(run) {
      const { removeArtifactsOfRun } = await import("./service/kept-artifacts.ts");
      await removeArtifactsOfRun(keptArtifacts, String(runIdOf(run)));
    },
  });
  const keptCaches = { stateDir, now: Date.now, limits: config.cacheLimits };
  /** Of the latest selection, by the repository's root. */
  const parts = new Map<string, SelectionParts>();
  const scratch = scratchDirectory(runDir);
  const remote = { serverUrl: config.serverUrl, token: config.githubToken, directory: join(dataDir, "mirrors") };
  const places = { workingDirectory: process.cwd(), mirrorDir: config.mirrorDir, remote };
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
      const { snapshot, actions, ...selection } = await selectWorkflows(request, {
        workingDirectory: process.cwd(),
        actor: userInfo().username,
        mirrorDir: config.mirrorDir,
        remote,
        scratch,
        host: {
          provider: config.provider,
          cpus: availableParallelism(),
          // A quarter of the memory is left to the host.
          memoryMib: Math.floor((totalmem() * 0.75) / 1024 / 1024),
          arch: process.arch === "arm64" ? "ARM64" : "X64",
          images: async () => (await import("./image/image-store.ts")).listImages(dataDir),
          variable: (name) => environment[name],
          takesNetwork: config.repositoryNetwork || config.network.kind === "open",
        },
      });
      parts.set(selection.repository, { snapshot, actions });
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
    startRun: (plan, options) => startRun(plan, options, config, parts.get(options.repository)),
    async watch(repository, listener) {
      const { watchWorkingTree } = await import("./git/watch-working-tree.ts");
      const isGit = existsSync(join(repository, ".git"));
      return watchWorkingTree({ root: repository, isGit, quietMs: 200, ...listener });
    },
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
      async list(run) {
        const { listArtifacts } = await import("./service/kept-artifacts.ts");
        return (await listArtifacts(keptArtifacts, String(runIdOf(run)))).map(summariseArtifact);
      },
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
    const writer = await store.create({ repository: options.repository, workflow: path, event: plan.event.name });
    const services = lazyServices(snapshot && { ...plan.event.repository, gitDir: snapshot.gitDir }, config, api);
    const cancel = new AbortController();
    const kill = new AbortController();
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
        maxParallelJobs: concurrency,
        network: withHosts(config.network, options.network),
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
        actions: withBuiltins(actions, dataDir),
        emit: (event) => {
          const kept = writer.append(event);
          api.note(kept);
          options.onEvent(kept);
        },
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

/** Loaded when asked for. */
const manageActions = () => import("./select/manage-actions.ts");

/** The outcome is known when the run is kept. */
async function closedAfter(running: Promise<RunOutcome>, writer: RunWriter): Promise<RunOutcome> {
  try {
    return await running;
  } finally {
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
      const { mirrorDir, upstreamProxy, stateDir, cacheLimits } = config;
      return createServices({
        lookup: createLookup(own, mirrorDir),
        upstreamProxy,
        kept: {
          stateDir,
          settings: { caches: cacheLimits, oidc: await oidcSettings(config), api: await api.settings() },
          now: Date.now,
        },
      }).attach(request);
    },
  };
}

async function oidcSettings({ dataDir, oidcIssuer }: Config): Promise<OidcSettings> {
  return { keys: await identityKeys(dataDir), issuer: oidcIssuer };
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
  { dataDir, runDir, api }: Config,
  environment: NodeJS.ProcessEnv,
): readonly ComposedCandidate[] {
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
        const { toolCacheDirectory } = await import("./image/tool-cache.ts");
        // Of the token that asks GitHub for jobs, steps see nothing.
        const env = api === "github" ? { ...environment, GITHUB_TOKEN: undefined } : environment;
        return hostProvider({ env, toolCache: toolCacheDirectory(dataDir) });
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
