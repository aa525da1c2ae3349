/**
 * What `hearth serve` takes from the environment, beside what every command does (`config.ts`). Values that are secret may stand in
 * a file instead, named by the same variable with `_FILE`: systemd and Docker hand them over so.
 */
import { readFileSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import type { Setting } from "./commands/hearth.ts";
import { EngineError } from "./lib/engine-error.ts";

export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  /** Where others reach the server, without a slash at its end; undefined: nobody but this host does. */
  readonly publicUrl: string | undefined;
  /** Other names that requests may be sent to. */
  readonly hosts: readonly string[];
  readonly webhookSecret: string | undefined;
  readonly app: { readonly id: string; readonly keyFile: string } | undefined;
  /** Absolute: one, or a directory of them; undefined: none of this host. */
  readonly repositoryPath: string | undefined;
  /** `owner/name` or `owner/*` in lower case; undefined: all that sign with the secret. */
  readonly repositories: readonly string[] | undefined;
  /** Names of environments that ask for approval in every repository; `*`: all. */
  readonly askedEnvironments: readonly string[];
  readonly secretKeyFile: string | undefined;
  readonly credentialsDir: string | undefined;
  readonly infraRetries: number;
  readonly drainMs: number;
  readonly keepRuns: number;
  readonly keepMs: number;
  readonly keepBytes: number;
  readonly logLevel: string;
  readonly settings: readonly Setting[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws BAD_CONFIG, naming the variable. */
export function loadServerConfig(environment: Environment, directory: string): ServerConfig {
  const settings: Setting[] = [];
  const note = (name: string, doc: string, value: string | number, source: string, unit?: string): void =>
    void settings.push({ name, value: String(value), unit, doc, source });
  const variable = (name: string): string | undefined => {
    const value = environment[name];
    return value === "" ? undefined : value;
  };
  const number = (name: string, label: string, doc: string, usual: number, max: number, unit?: string): number => {
    const text = variable(name);
    const value = text === undefined ? usual : Number(text);
    if (text !== undefined && (!/^\d+$/u.test(text) || value > max)) throw bad(name, `a number from 0 to ${max}`);
    note(label, doc, value, text === undefined ? "default" : `$${name}`, unit);
    return value;
  };
  const host = variable("HOST") ?? "127.0.0.1";
  note("host", "the address that the server listens on", host, variable("HOST") === undefined ? "default" : "$HOST");
  const port = number("PORT", "port", "and its port; 0: any", 3000, 65_535);
  const publicUrl = address(variable("HEARTH_PUBLIC_URL"));
  if (publicUrl !== undefined) note("public url", "how GitHub reaches it", publicUrl, "$HEARTH_PUBLIC_URL");
  const webhookSecret = secret(environment, "GITHUB_WEBHOOK_SECRET", directory);
  if (webhookSecret !== undefined) note("webhook secret", "what GitHub signs with", "***", "$GITHUB_WEBHOOK_SECRET");
  if (webhookSecret !== undefined && webhookSecret.length < 16) {
    throw bad("GITHUB_WEBHOOK_SECRET", "at least 16 characters (hearth init server makes one)");
  }
  const app = appOf(variable, directory);
  if (app !== undefined) note("github app", "who reports and reads", app.id, "$GITHUB_APP_ID");
  const repositories = listOf(variable("HEARTH_REPOSITORIES"));
  if (repositories !== undefined)
    note("served", "repositories of GitHub", repositories.join(", "), "$HEARTH_REPOSITORIES");
  if (app !== undefined && repositories === undefined) {
    // Whoever may install the App would run commands here.
    throw bad("HEARTH_REPOSITORIES", "owner/name or owner/*, since others may install a GitHub App");
  }
  const askedEnvironments = listOf(variable("HEARTH_APPROVE_ENVIRONMENTS")) ?? [];
  if (askedEnvironments.length > 0) {
    note("asked environments", "wait for approval", askedEnvironments.join(", "), "$HEARTH_APPROVE_ENVIRONMENTS");
  }
  const infraRetries = number("HEARTH_INFRA_RETRIES", "retries", "of a run whose machine host died", 1, 10);
  const drainSeconds = number(
    "HEARTH_DRAIN_SECONDS",
    "drain",
    "for runs that go on when it is stopped",
    300,
    86_400,
    "s",
  );
  const repositoryPath = variable("REPOSITORY_PATH");
  if (repositoryPath !== undefined) {
    note(
      "repositories",
      "of this host, that are served as well",
      resolve(directory, repositoryPath),
      "$REPOSITORY_PATH",
    );
  }
  const keepRuns = number("HEARTH_KEEP_RUNS", "kept runs", "records with their logs and artifacts", 500, 500);
  const keepMib = number(
    "HEARTH_KEEP_MIB",
    "kept size",
    "of records, logs and artifacts together",
    20_480,
    1 << 30,
    "MiB",
  );
  const keepDays = number("HEARTH_KEEP_DAYS", "kept for", "records, and bodies of deliveries", 90, 3650, "days");
  const logLevel = variable("LOG_LEVEL") ?? "info";
  if (!["fatal", "error", "warn", "info", "debug", "trace", "silent"].includes(logLevel)) {
    throw bad("LOG_LEVEL", "error, warn, info, debug or silent");
  }
  return Object.freeze({
    host,
    port,
    publicUrl,
    webhookSecret,
    app,
    infraRetries,
    keepRuns,
    logLevel,
    settings,
    hosts: listOf(variable("HEARTH_HOSTS")) ?? [],
    repositories,
    askedEnvironments,
    secretKeyFile: variable("HEARTH_SECRET_KEY_FILE"),
    credentialsDir: variable("CREDENTIALS_DIRECTORY"),
    drainMs: drainSeconds * 1000,
    keepMs: keepDays * 24 * 3600_000,
    keepBytes: keepMib * 1024 ** 2,
    repositoryPath: repositoryPath === undefined ? undefined : resolve(directory, repositoryPath),
  });
}

function listOf(value: string | undefined): readonly string[] | undefined {
  const names = (value ?? "").split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim().toLowerCase()]));
  return names.length === 0 ? undefined : names;
}

function appOf(variable: (name: string) => string | undefined, directory: string): ServerConfig["app"] {
  const [id, file] = [variable("GITHUB_APP_ID"), variable("GITHUB_APP_PRIVATE_KEY_FILE")];
  if (id === undefined && file === undefined) return undefined;
  if (id === undefined || file === undefined) {
    throw bad(id === undefined ? "GITHUB_APP_ID" : "GITHUB_APP_PRIVATE_KEY_FILE", "to be set beside the other one");
  }
  return { id, keyFile: resolve(directory, file) };
}

function secret(environment: Environment, name: string, directory: string): string | undefined {
  const [value, file] = [environment[name], environment[`${name}_FILE`]];
  if (value !== undefined && value !== "") return value;
  if (file === undefined || file === "") return undefined;
  try {
    return readFileSync(isAbsolute(file) ? file : resolve(directory, file), "utf8").trim();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError("BAD_CONFIG", `Cannot read $${name}_FILE: ${reason}`, { cause: error });
  }
}

function address(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/u.test(url.protocol) || url.username + url.password + url.search !== "") {
    throw bad("HEARTH_PUBLIC_URL", "an http or https address without credentials");
  }
  return value.replace(/\/+$/u, "");
}

function bad(name: string, expected: string): EngineError {
  return new EngineError("BAD_CONFIG", `Cannot use $${name}: expected ${expected}`);
}
