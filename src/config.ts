/**
 * Flags and environment become one frozen Config. Nothing else reads the environment: `main.ts` hands it to here and to the
 * terminal. Every setting knows its unit, what it is for and where its value came from; `hearth doctor` prints them.
 * Of a flag, a variable and a file, the first that is set wins, in this order; an empty variable is not set.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism, homedir, totalmem } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Flags, Setting } from "./commands/hearth.ts";
import { EngineError } from "./lib/engine-error.ts";
import { registryFromNpmrc } from "./lib/npmrc.ts";
import type { ProviderName } from "./provider/provider.ts";
import type { NetworkPolicy } from "./service/services.ts";
import { describeTraces, findTraceConfig } from "./telemetry/trace-config.ts";
import type { TraceConfig } from "./telemetry/trace-config.ts";
import { describeModel, findModelConfig } from "./translate/model/model-config.ts";
import type { ModelConfig } from "./translate/model/model-config.ts";

export interface Config {
  /** Images, externals, what setup installed. */
  readonly dataDir: string;
  /** Runs, events, logs. */
  readonly stateDir: string;
  /** Sockets and whatever else does not outlive a boot. */
  readonly runDir: string;
  /** Undefined: the best this host can use. */
  readonly provider: ProviderName | undefined;
  readonly concurrency: number;
  readonly machineCpus: number;
  readonly machineMemoryMib: number;
  /** Machines made ahead, at most; 0: none. */
  readonly warmMachines: number;
  readonly firecracker: FirecrackerConfig;
  readonly network: NetworkPolicy;
  /** What `hearth.yml` lists is reachable as well. */
  readonly repositoryNetwork: boolean;
  /** PEM files, absolute, for `readCertificateAuthorities`. */
  readonly certificateFiles: readonly CertificateFile[];
  /** With a slash at its end; may hold credentials. */
  readonly npmRegistry: string;
  /** Proxies of Go modules, in order; without a slash at their ends. */
  readonly goProxies: readonly string[];
  /** As pip has it: ends in `/simple`; may hold credentials. */
  readonly pypiIndex: string;
  /** Absolute; bare repositories `<owner>/<name>.git`. Undefined for none. */
  readonly mirrorDir: string | undefined;
  /** Where called workflows of other repositories are fetched from; without a slash at its end. */
  readonly serverUrl: string;
  readonly githubToken: string | undefined;
  /** Who answers when jobs ask GitHub's API: this host, or GitHub with the token of this host. */
  readonly api: ApiSource;
  /** GitHub's own REST API, without a slash at its end. */
  readonly apiUrl: string;
  /** Absolute; what the API begins with beside the event. */
  readonly apiStateFile: { readonly path: string; readonly source: string } | undefined;
  /** Of identity tokens, without a slash at its end; undefined: the services' own address, which only machines reach. */
  readonly oidcIssuer: string | undefined;
  /** How much is kept of what workflows cache. */
  readonly cacheLimits: { readonly repositoryBytes: number; readonly ageMs: number };
  /** How much is kept of machines at their steps, all runs together. */
  readonly checkpointsBytes: number;
  /** What becomes of artifacts and caches that hold a secret of their run. */
  readonly secretsInUploads: "refuse" | "warn";
  /** Of the secrets that are kept for the server. */
  readonly secretKey: { readonly keyFile: string | undefined; readonly credentialsDir: string | undefined };
  /** The proxy that this host itself must use to get outside. */
  readonly upstreamProxy: UpstreamProxy | undefined;
  /** Who is asked about runs and told what to do with them; undefined: the server of this host. */
  readonly server: { readonly url: string; readonly token: string | undefined } | undefined;
  /** Who is asked to translate actions where no rule does. */
  readonly model: ModelConfig;
  /** Where runs are told as traces. */
  readonly traces: TraceConfig;
  readonly settings: readonly Setting[];
}

interface FirecrackerConfig {
  readonly jailer: "required" | "off";
  readonly console: boolean;
  readonly diskMibPerSecond: number;
  readonly diskOpsPerSecond: number;
}

interface CertificateFile {
  readonly path: string;
  readonly source: string;
}

interface UpstreamProxy {
  /** `http:` or `https:`; may hold credentials. */
  readonly url: string;
  readonly noProxy: readonly string[];
}

export type ApiSource = "local" | "github";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a value is and where it came from. */
interface Found<T> {
  readonly value: T;
  readonly source: string;
}

/** `directory` is the working directory. Throws BAD_CONFIG for a value that cannot be meant, naming where it came from. */
export function loadConfig(flags: Flags, environment: Environment, directory: string): Config {
  const home = environment["HOME"] ?? homedir();
  const variable = (name: string): Found<string> | undefined => {
    const value = environment[name];
    return value === undefined || value === "" ? undefined : { value, source: `$${name}` };
  };
  /** The XDG specification: a relative path is invalid and must be ignored. */
  const xdg = (name: string, fallback: string): Found<string> => {
    const base = variable(name);
    if (base !== undefined && isAbsolute(base.value)) return { value: join(base.value, "hearth"), source: base.source };
    return { value: fallback, source: "default" };
  };
  const path = ({ value, source }: Found<string>): Found<string> => ({ value: resolve(directory, value), source });

  const state = flagged("--state", flags.state) ?? variable("HEARTH_STATE");
  const data = variable("HEARTH_DATA");
  const uid = process.getuid?.() ?? 0;
  const dataDir = path(data ?? xdg("XDG_DATA_HOME", join(home, ".local/share/hearth")));
  const stateDir = path(state ?? xdg("XDG_STATE_HOME", join(home, ".local/state/hearth")));
  const runDir = xdg("XDG_RUNTIME_DIR", join(environment["TMPDIR"] ?? "/tmp", `hearth-${uid}`));

  const provider = findProvider(flagged("--provider", flags.provider) ?? variable("HEARTH_PROVIDER"));
  const machineCpus = count(variable("HEARTH_MACHINE_CPUS"), 256) ?? byDefault(Math.min(4, availableParallelism()));
  const memoryMib = Math.floor(totalmem() / 1024 / 1024);
  const machineMemoryMib =
    count(variable("HEARTH_MACHINE_MEMORY_MIB"), 1024 * 1024) ??
    byDefault(Math.min(4096, Math.max(1024, Math.floor(memoryMib / 4))));
  const warm = variable("HEARTH_WARM_MACHINES");
  const warmMachines = warm?.value === "0" ? { ...warm, value: 0 } : (count(warm, 1000) ?? byDefault(2));
  // A quarter of the memory is left to the host.
  const fitting = Math.floor((memoryMib * 0.75) / machineMemoryMib.value);
  const concurrency =
    count(flagged("--concurrency", flags.concurrency?.toString()) ?? variable("MAX_CONCURRENT_WORKFLOWS"), 1000) ??
    byDefault(Math.max(1, Math.min(availableParallelism(), fitting)));

  const jailer = oneOf(variable("HEARTH_FIRECRACKER_JAILER"), ["required", "off"]) ?? byDefault("required" as const);
  const guestConsole = oneOf(variable("HEARTH_FIRECRACKER_CONSOLE"), ["on", "off"]) ?? byDefault("on" as const);
  const diskMib = count(variable("HEARTH_FIRECRACKER_DISK_MIBPS"), 1024 * 1024) ?? byDefault(1024);
  const diskOps = count(variable("HEARTH_FIRECRACKER_DISK_IOPS"), 10_000_000) ?? byDefault(50_000);

  const network = findNetwork(flags, variable);
  const certificateFiles = [
    ...(flags.caFile ?? []).map((value) => ({ value, source: "--ca-file" })),
    ...["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"].map(variable).filter((found) => found !== undefined),
  ].map(path);
  const npmRegistry = findNpmRegistry(environment, variable, directory, home);
  const proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]
    .map(variable)
    .find((found) => found !== undefined);
  const proxyUrl = proxy === undefined ? undefined : proxyAddress(proxy.value);
  const noProxy = (variable("NO_PROXY") ?? variable("no_proxy"))?.value ?? "";

  const mirrored = flagged("--mirror", flags.mirror) ?? variable("HEARTH_MIRROR");
  const mirror = mirrored === undefined ? undefined : path(mirrored);
  if (mirror !== undefined && !isDirectory(mirror.value)) throw bad(mirror, "a directory of bare repositories");

  const serverUrl = findServerUrl(variable("GITHUB_SERVER_URL"));
  const githubToken = variable("GITHUB_TOKEN");
  const api = findApi(flagged("--api", flags.api) ?? variable("HEARTH_API"));
  const apiUrl = findPlainAddress(variable("GITHUB_API_URL")) ?? byDefault("https://api.github.com");
  const stateFile = flagged("--api-state", flags.apiState) ?? variable("HEARTH_API_STATE");
  const apiState = stateFile === undefined ? undefined : path(stateFile);
  const server = findPlainAddress(flagged("--server", flags.server) ?? variable("HEARTH_SERVER"));
  const serverToken = variable("HEARTH_SERVER_TOKEN");
  const oidcIssuer = findPlainAddress(variable("HEARTH_OIDC_ISSUER"));
  const cacheMib = count(variable("HEARTH_CACHE_MIB"), 1024 * 1024) ?? byDefault(10 * 1024);
  const cacheDays = count(variable("HEARTH_CACHE_DAYS"), 3650) ?? byDefault(7);
  const checkpointsMib = count(variable("HEARTH_CHECKPOINTS_MIB"), 16 * 1024 * 1024) ?? byDefault(5 * 1024);
  const secretsInUploads = findSecretsInUploads(variable("HEARTH_SECRETS_IN_UPLOADS"));

  const secretKeyFile = variable("HEARTH_SECRET_KEY_FILE");
  const secretKey = secretKeyFile === undefined ? undefined : path(secretKeyFile);

  const model = findModelConfig((name) => variable(name)?.value);
  const traces = findTraceConfig((name) => variable(name)?.value);

  const settings: Setting[] = [
    setting("data", "images and what setup installed", dataDir),
    setting("state", "runs, events and logs", stateDir),
    setting("run", "sockets and locks, until the next boot", runDir),
    setting("provider", "what machines are made with", provider ?? byDefault("the best this host can use")),
    setting("concurrency", "workflows at the same time", concurrency),
    setting("machine cpus", "of each machine", machineCpus),
    setting("machine memory", "of each machine", machineMemoryMib, "MiB"),
    setting("warm machines", "made ahead for runs that are known to come, at most", warmMachines),
    setting("firecracker jailer", "off: machines run without it, as this user", jailer),
    setting("firecracker console", "off: a lost machine's last words are not known", guestConsole),
    setting("firecracker disk", "at most, each disk of a machine", diskMib, "MiB/s"),
    setting("firecracker disk operations", "at most, each disk of a machine", diskOps, "a second"),
    setting("network", "what machines reach outside", {
      value: describeNetwork(network.value),
      source: network.source,
    }),
    ...certificateFiles.map((file) => setting("certificates", "authorities that machines trust as well", file)),
    ...(mirror === undefined ? [] : [setting("mirror", "repositories for checkouts", mirror)]),
    ...(server === undefined ? [] : [setting("hearth server", "who is asked about runs", server)]),
    ...(oidcIssuer === undefined ? [] : [setting("oidc issuer", "who identity tokens say they are from", oidcIssuer)]),
    setting("server", "where called workflows of other repositories are fetched from", serverUrl),
    ...(githubToken === undefined
      ? []
      : [setting("github token", "for fetching from the server", { ...githubToken, value: "***" })]),
    setting("caches", "of each repository, the least recently used going first", cacheMib, "MiB"),
    setting("cache age", "how long a cache is kept that nothing asks for", cacheDays, "days"),
    setting("checkpoints", "of all runs together, the oldest going first", checkpointsMib, "MiB"),
    ...(secretKey === undefined ? [] : [setting("secret key", "what kept secrets are encrypted with", secretKey)]),
    setting(
      "secrets in uploads",
      "artifacts and caches that hold one are refused, or kept with a warning",
      secretsInUploads,
    ),
    setting(
      "api",
      "who answers when jobs ask GitHub's API",
      api.value === "local" ? { ...api, value: "local" } : { ...api, value: `github (${apiUrl.value})` },
    ),
    ...(apiState === undefined ? [] : [setting("api state", "what the API begins with", apiState)]),
    setting("model", "who translates actions where no rule does", {
      value: describeModel(model),
      source: variable("LLM_PROVIDER")?.source ?? "default",
    }),
    ...(traces.kind === "off"
      ? []
      : [
          setting("traces", "of runs, as OpenTelemetry has them", {
            value: describeTraces(traces),
            source: traces.source,
          }),
        ]),
    setting("npm registry", "where npm in machines gets packages", redacted(npmRegistry)),
    ...(proxy === undefined
      ? []
      : [
          setting(
            "proxy",
            proxyUrl === undefined ? "not used: neither http nor https" : "this host's own way outside",
            redacted(proxy),
          ),
        ]),
  ];
  return Object.freeze({
    dataDir: dataDir.value,
    stateDir: stateDir.value,
    runDir: runDir.value,
    provider: provider?.value,
    concurrency: concurrency.value,
    machineCpus: machineCpus.value,
    machineMemoryMib: machineMemoryMib.value,
    warmMachines: warmMachines.value,
    firecracker: {
      jailer: jailer.value,
      console: guestConsole.value === "on",
      diskMibPerSecond: diskMib.value,
      diskOpsPerSecond: diskOps.value,
    },
    network: network.value.policy,
    repositoryNetwork: network.value.ofRepository,
    certificateFiles: certificateFiles.map(({ value, source }) => ({ path: value, source })),
    npmRegistry: npmRegistry.value,
    // `direct` and `off` are for `go` itself.
    goProxies: (variable("GOPROXY")?.value ?? "https://proxy.golang.org")
      .split(/[,|]/u)
      .filter((proxy) => /^https?:\/\//u.test(proxy))
      .map((proxy) => proxy.replace(/\/+$/u, "")),
    pypiIndex: (variable("PIP_INDEX_URL")?.value ?? "https://pypi.org/simple").replace(/\/+$/u, ""),
    mirrorDir: mirror?.value,
    serverUrl: serverUrl.value,
    githubToken: githubToken?.value,
    api: api.value,
    apiUrl: apiUrl.value,
    apiStateFile: apiState && { path: apiState.value, source: apiState.source },
    oidcIssuer: oidcIssuer?.value,
    server: server && { url: server.value, token: serverToken?.value },
    secretsInUploads: secretsInUploads.value,
    secretKey: { keyFile: secretKey?.value, credentialsDir: variable("CREDENTIALS_DIRECTORY")?.value },
    cacheLimits: { repositoryBytes: cacheMib.value * 1024 ** 2, ageMs: cacheDays.value * 24 * 3600_000 },
    checkpointsBytes: checkpointsMib.value * 1024 ** 2,
    upstreamProxy: proxyUrl === undefined ? undefined : { url: proxyUrl, noProxy: listed(noProxy) },
    model,
    traces,
    settings,
  });
}

/** One PEM bundle without repetitions; undefined for none. Throws BAD_CONFIG for a file that holds no certificate. */
export async function readCertificateAuthorities({ certificateFiles }: Config): Promise<string | undefined> {
  const certificates = new Set<string>();
  for (const { path, source } of certificateFiles) {
    const found = pemCertificates(await readFile(path, "utf8").catch(() => ""));
    if (found.length === 0) {
      throw new EngineError("BAD_CONFIG", `Cannot use ${path} from ${source}: no PEM certificate can be read there`, {
        hint: `Correct or unset ${source.replace(/^\$/, "")}.`,
      });
    }
    for (const certificate of found) certificates.add(certificate);
  }
  return certificates.size === 0 ? undefined : `${[...certificates].join("\n")}\n`;
}

function pemCertificates(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

type Variable = (name: string) => Found<string> | undefined;

function flagged(flag: string, value: string | undefined): Found<string> | undefined {
  return value === undefined ? undefined : { value, source: flag };
}

function byDefault<T>(value: T): Found<T> {
  return { value, source: "default" };
}

function setting(name: string, doc: string, { value, source }: Found<string | number>, unit?: string): Setting {
  return { name, value: String(value), unit, doc, source };
}

function bad({ value, source }: Found<string>, expected: string): EngineError {
  return new EngineError("BAD_CONFIG", `Cannot use ${source} ${JSON.stringify(value)}: expected ${expected}`);
}

function count(found: Found<string> | undefined, max: number): Found<number> | undefined {
  if (found === undefined) return undefined;
  const value = Number(found.value);
  if (!/^\d+$/.test(found.value) || value < 1 || value > max) throw bad(found, `a number from 1 to ${max}`);
  return { value, source: found.source };
}

function oneOf<T extends string>(found: Found<string> | undefined, values: readonly T[]): Found<T> | undefined {
  if (found === undefined) return undefined;
  const value = values.find((known) => known === found.value);
  if (value === undefined) throw bad(found, values.join(" or "));
  return { value, source: found.source };
}

function findProvider(found: Found<string> | undefined): Found<ProviderName> | undefined {
  if (found === undefined) return undefined;
  const names: readonly ProviderName[] = ["firecracker", "qemu", "gvisor", "host"];
  const name = names.find((known) => known === found.value);
  if (name === undefined) throw bad(found, names.join(", "));
  return { value: name, source: found.source };
}

interface Network {
  readonly policy: NetworkPolicy;
  readonly ofRepository: boolean;
}

/** `--network` and `--allow-host` stand together before both variables. */
function findNetwork(flags: Flags, variable: Variable): Found<Network> {
  const fromFlags = flags.network !== undefined || (flags.allowHost ?? []).length > 0;
  const policy = fromFlags ? flagged("--network", flags.network) : variable("HEARTH_NETWORK");
  const hosts = fromFlags
    ? (flags.allowHost ?? []).map((value) => ({ value, source: "--allow-host" }))
    : listed(variable("HEARTH_ALLOW_HOSTS")?.value ?? "").map((value) => ({ value, source: "$HEARTH_ALLOW_HOSTS" }));
  if (policy !== undefined && !["open", "closed", "repository"].includes(policy.value)) {
    throw bad(policy, "open, closed or repository");
  }
  for (const host of hosts) {
    if (!/^(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d{1,5})?$/i.test(host.value))
      throw bad(host, "host, host:port or *.domain");
  }
  const ofRepository = policy?.value === "repository";
  if (policy?.value === "open") return { value: { policy: { kind: "open" }, ofRepository }, source: policy.source };
  const [first] = hosts;
  if (first !== undefined) {
    const allow: NetworkPolicy = { kind: "allow", hosts: hosts.map(({ value }) => value) };
    return { value: { policy: allow, ofRepository }, source: first.source };
  }
  return { value: { policy: { kind: "closed" }, ofRepository }, source: policy?.source ?? "default" };
}

function describeNetwork({ policy, ofRepository }: Network): string {
  const own = policy.kind === "allow" ? `only ${policy.hosts.join(", ")}` : policy.kind;
  return ofRepository ? `${own === "closed" ? "only" : `${own} and`} what hearth.yml lists` : own;
}

/** In npm's own order: environment, the repository's .npmrc, the user's. `npm config get` would cost 300 ms. */
function findNpmRegistry(environment: Environment, variable: Variable, directory: string, home: string): Found<string> {
  const userFile =
    (variable("npm_config_userconfig") ?? variable("NPM_CONFIG_USERCONFIG"))?.value ?? join(home, ".npmrc");
  const inFile = (path: string): Found<string> | undefined => {
    const value = registryFromNpmrc(readIfThere(path) ?? "", environment);
    return value === undefined ? undefined : { value, source: path };
  };
  const { value, source } = variable("npm_config_registry") ??
    variable("NPM_CONFIG_REGISTRY") ??
    inFile(join(repositoryAround(directory), ".npmrc")) ??
    inFile(userFile) ?? { value: "https://registry.npmjs.org/", source: "default" };
  return { value: value.endsWith("/") ? value : `${value}/`, source };
}

/** The nearest directory that holds `.git`, else `directory` itself. */
function repositoryAround(directory: string): string {
  for (let at = directory; ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at;
    if (at === dirname(at)) return directory;
  }
}

function findApi(found: Found<string> | undefined): Found<ApiSource> {
  if (found === undefined) return byDefault("local");
  const { value, source } = found;
  if (value !== "local" && value !== "github") throw bad(found, "local or github");
  return { value, source };
}

function findSecretsInUploads(found: Found<string> | undefined): Found<"refuse" | "warn"> {
  if (found === undefined) return byDefault("refuse");
  const { value, source } = found;
  if (value !== "refuse" && value !== "warn") throw bad(found, "refuse or warn");
  return { value, source };
}

/** As Actions name it. Credentials in it would be printed and logged. */
function findServerUrl(found: Found<string> | undefined): Found<string> {
  return findPlainAddress(found) ?? byDefault("https://github.com");
}

/** Without slashes at its end. */
function findPlainAddress(found: Found<string> | undefined): Found<string> | undefined {
  if (found === undefined) return undefined;
  const url = URL.canParse(found.value) ? new URL(found.value) : undefined;
  const isPlain =
    url !== undefined && /^https?:$/.test(url.protocol) && url.username + url.password + url.search === "";
  if (!isPlain) throw bad(redacted(found), "an http or https address without credentials");
  return { ...found, value: found.value.replace(/\/+$/, "") };
}

/** Undefined for what we cannot use, such as SOCKS. As curl does, `proxy:3128` means http. */
function proxyAddress(value: string): string | undefined {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? url : undefined;
}

function redacted({ value, source }: Found<string>): Found<string> {
  return { value: value.replace(/\/\/[^/@]*@/, "//***@").replace(/^[^/@]*@/, "***@"), source };
}

function listed(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there, a directory, or not ours to read: the same as a file that says nothing.
    return undefined;
  }
}
