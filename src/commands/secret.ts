/** `hearth secret` and `hearth variable`: set, list, rm. What a secret is goes in, and nothing that is printed has it. */
import { EngineError } from "../lib/engine-error.ts";
import type { SecretScope } from "../secret/secret-name.ts";
import type { SecretKind } from "../secret/secret-store.ts";
import { minuteText } from "./cell-text.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** As `gh` spells them. */
export interface SecretPlaceOptions {
  readonly repo?: string;
  readonly env?: string;
  readonly org?: string;
}

export interface SetSecretOptions extends SecretPlaceOptions {
  readonly body?: string;
}

export interface ListSecretsOptions extends SecretPlaceOptions {
  readonly json?: boolean;
}

export async function setSecret(
  { secrets }: Hearth,
  terminal: Terminal,
  kind: SecretKind,
  name: string,
  options: SetSecretOptions,
): Promise<ExitCode> {
  const scope = await scopeOf(secrets, options);
  const value =
    options.body ?? (await terminal.readInput()) ?? (await terminal.askSecret(`Value of ${plainText(name)}: `));
  if (value === undefined) {
    throw new EngineError("BAD_USAGE", `No value for the ${kind} ${name}`, {
      hint: "Give it on standard input, or type it at a terminal.",
    });
  }
  // What `echo` and editors add at the end is no part of it.
  await secrets.set(kind, scope, name, options.body === undefined ? value.replace(/[\r\n]+$/, "") : value);
  terminal.err.write(`${kind} ${plainText(name.toUpperCase())} is set for ${plainText(placeText(scope))}\n`);
  return exitCode.success;
}

export async function listSecrets(
  { secrets }: Hearth,
  { out, err }: Terminal,
  kind: SecretKind,
  options: ListSecretsOptions,
): Promise<ExitCode> {
  const scope = await scopeOf(secrets, options);
  const found = await secrets.list(kind, scope);
  if (options.json === true) out.write(`${JSON.stringify(found, undefined, 2)}\n`);
  else if (found.length === 0) err.write(`No ${kind}s for ${plainText(placeText(scope))}.\n`);
  else if (kind === "secret") {
    const rows = found.map(({ name, updatedAt }) => [plainText(name), minuteText(updatedAt)]);
    writeTable(out, ["NAME", "UPDATED"], rows);
  } else {
    const rows = found.map(({ name, value, updatedAt }) => [name, minuteText(updatedAt), value ?? ""].map(plainText));
    writeTable(out, ["NAME", "UPDATED", "VALUE"], rows);
  }
  return exitCode.success;
}

export async function removeSecret(
  { secrets }: Hearth,
  { err }: Terminal,
  kind: SecretKind,
  name: string,
  options: SecretPlaceOptions,
): Promise<ExitCode> {
  const scope = await scopeOf(secrets, options);
  if (await secrets.remove(kind, scope, name)) {
    err.write(`${kind} ${plainText(name.toUpperCase())} is removed from ${plainText(placeText(scope))}\n`);
    return exitCode.success;
  }
  err.write(`There is no ${kind} ${plainText(name)} for ${plainText(placeText(scope))}: hearth ${kind} list\n`);
  return exitCode.usage;
}

async function scopeOf(secrets: Hearth["secrets"], { repo, env, org }: SecretPlaceOptions): Promise<SecretScope> {
  if (org !== undefined) return { kind: "organisation", owner: org };
  const repository = repo ?? (await secrets.repositoryHere());
  return env === undefined ? { kind: "repository", repository } : { kind: "environment", repository, environment: env };
}

function placeText(scope: SecretScope): string {
  switch (scope.kind) {
    case "organisation":
      return scope.owner;
    case "repository":
      return scope.repository;
    default:
      return `${scope.repository}, environment ${scope.environment}`;
  }
}
