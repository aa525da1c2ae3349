/**
 * From options as they were typed to what the facade takes: files are read and parsed here, at the door, and secrets are
 * looked up. Everything wrong is BAD_USAGE and names the option. Shared by `run` and `plan`.
 */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { isMapping } from "../context/mapping.ts";
import { parseJson } from "../expression/json.ts";
import type { Value } from "../expression/template.ts";
import { EngineError } from "../lib/engine-error.ts";
import { parseDotenv } from "./dotenv.ts";
import type { SelectRequest } from "../select/select-workflows.ts";
import type { Pair, SecretOption } from "./pairs.ts";
import { toRecord } from "./pairs.ts";
import type { Terminal } from "./terminal.ts";

/** As commander delivers them. */
export interface SelectionOptions {
  readonly event?: string | undefined;
  readonly eventFile?: string;
  readonly schedule?: string;
  readonly job?: string;
  readonly strict?: boolean;
  readonly matrix?: readonly Pair[];
  readonly input?: readonly Pair[];
  readonly var?: readonly Pair[];
  readonly varFile?: readonly string[];
  readonly skipUnsupported?: boolean;
  readonly fetch?: boolean;
  readonly locked?: boolean;
  readonly frozen?: boolean;
  /** Given: a model may be asked; `--no-translate`: nothing is translated. */
  readonly translate?: boolean;
  readonly builtins?: boolean;
}

export interface EnvOptions {
  readonly env?: readonly Pair[];
  readonly envFile?: readonly string[];
}

export interface SecretOptions {
  readonly secret?: readonly SecretOption[];
  readonly secretFile?: readonly string[];
}

/** GitHub delivers no larger payload. */
const maxEventBytes = 25 * 1024 * 1024;
const maxDotenvBytes = 1024 * 1024;

export async function selectRequest(path: string | undefined, options: SelectionOptions): Promise<SelectRequest> {
  return {
    path: path === undefined ? undefined : resolve(path),
    event: options.event ?? (options.schedule === undefined ? "push" : "schedule"),
    schedule: options.schedule,
    payload: options.eventFile === undefined ? undefined : await readPayload(options.eventFile),
    job: options.job,
    strict: options.strict,
    matrix: options.matrix ?? [],
    inputs: toRecord(options.input),
    vars: toRecord([...(await readDotenv("--var-file", options.varFile)), ...(options.var ?? [])]),
    skipUnsupported: options.skipUnsupported === true,
    fetch: options.fetch,
    locked: options.locked,
    frozen: options.frozen,
    translate: options.translate === true ? "models" : options.translate,
    builtins: options.builtins,
  };
}

/** Files first, then `--secret` over them: from the option, else the environment, else the person at the terminal. */
export async function readSecrets(
  options: SecretOptions,
  terminal: Terminal,
): Promise<{ readonly [name: string]: string }> {
  const pairs = [...(await readDotenv("--secret-file", options.secretFile))];
  for (const { name, value } of options.secret ?? []) {
    const found = value ?? terminal.environment(name) ?? (await terminal.askSecret(`Value of the secret ${name}: `));
    if (found === undefined) {
      throw new EngineError("BAD_USAGE", `No value for --secret ${name}`, {
        hint: `Set ${name} in the environment, or use --secret-file; without a terminal nobody can be asked.`,
      });
    }
    pairs.push({ key: name, value: found });
  }
  return toRecord(pairs);
}

/** Files first, then `--env` over them. */
export async function readEnv(options: EnvOptions): Promise<{ readonly [name: string]: string }> {
  return toRecord([...(await readDotenv("--env-file", options.envFile)), ...(options.env ?? [])]);
}

async function readDotenv(option: string, paths: readonly string[] = []): Promise<readonly Pair[]> {
  const pairs: Pair[] = [];
  for (const path of paths) {
    const parsed = parseDotenv(await readBounded(option, path, maxDotenvBytes));
    if (!parsed.ok)
      throw new EngineError("BAD_USAGE", `Cannot read ${option} ${path}:${parsed.line}: ${parsed.message}`);
    pairs.push(...parsed.pairs);
  }
  return pairs;
}

async function readPayload(path: string): Promise<SelectRequest["payload"]> {
  const text = await readBounded("--event-file", path, maxEventBytes);
  const payload = parsePayload(path, text);
  if (isMapping(payload)) return payload;
  throw new EngineError("BAD_USAGE", `Cannot use --event-file ${path}: an event is a JSON object`);
}

function parsePayload(path: string, text: string): Value {
  try {
    return parseJson(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Error parsing fromJson: /, "") : String(error);
    throw new EngineError("BAD_USAGE", `Cannot read --event-file ${path}: ${reason}`, { cause: error });
  }
}

async function readBounded(option: string, path: string, maxBytes: number): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    return await readFile(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError("BAD_USAGE", `Cannot read ${option} ${path}: ${reason}`, { cause: error });
  }
}
