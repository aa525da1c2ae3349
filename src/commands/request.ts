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
  readonly event: string;
  readonly eventFile?: string;
  readonly job?: string;
  readonly matrix?: readonly Pair[];
  readonly input?: readonly Pair[];
  readonly var?: readonly Pair[];
}

export interface SecretOptions {
  readonly secret?: readonly SecretOption[];
  readonly secretFile?: readonly string[];
}

/** GitHub delivers no larger payload. */
const maxEventBytes = 25 * 1024 * 1024;
const maxSecretFileBytes = 1024 * 1024;

export async function selectRequest(path: string | undefined, options: SelectionOptions): Promise<SelectRequest> {
  return {
    path: path === undefined ? undefined : resolve(path),
    event: options.event,
    payload: options.eventFile === undefined ? undefined : await readPayload(options.eventFile),
    job: options.job,
    matrix: options.matrix ?? [],
    inputs: toRecord(options.input),
    vars: toRecord(options.var),
  };
}

/** Files first, then `--secret` over them: from the option, else the environment, else the person at the terminal. */
export async function readSecrets(
  options: SecretOptions,
  terminal: Terminal,
): Promise<{ readonly [name: string]: string }> {
  const pairs: Pair[] = [];
  for (const path of options.secretFile ?? []) {
    const parsed = parseDotenv(await readBounded("--secret-file", path, maxSecretFileBytes));
    if (!parsed.ok)
      throw new EngineError("BAD_USAGE", `Cannot read --secret-file ${path}:${parsed.line}: ${parsed.message}`);
    pairs.push(...parsed.pairs);
  }
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
    const reason = error instanceof Error ? error.message : String(error);
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
