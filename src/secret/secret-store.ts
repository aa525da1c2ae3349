/**
 * Secrets and variables of the repositories that this server runs, in a database of their own (`secrets.db`, readable by its owner alone;
 * A38). Secrets are encrypted (`sealed-value.ts`); names, places and dates are not. Several processes may use it at once.
 */
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { overlay } from "../lib/overlay.ts";
import { openIndexDatabase } from "../service/index-database.ts";
import { openSecretKey } from "./secret-key.ts";
import type { SecretKey, SecretKeyPlaces } from "./secret-key.ts";
import { checkName, keyOfScope } from "./secret-name.ts";
import type { SecretScope } from "./secret-name.ts";
import { seal, unseal } from "./sealed-value.ts";

export type SecretKind = "secret" | "variable";

type Values = { readonly [name: string]: string };

/** All throw BAD_USAGE for names and places that GitHub does not take, and STATE_UNREADABLE for what another key has encrypted. */
export interface SecretStore extends Disposable {
  /** Replaces the one that is there. Throws BAD_USAGE for a value that is empty, too large, or one too many. */
  set(kind: SecretKind, scope: SecretScope, name: string, value: string): void;
  /** False: there was none. */
  remove(kind: SecretKind, scope: SecretScope, name: string): boolean;
  /** By name. Values of variables alone. */
  list(kind: SecretKind, scope: SecretScope): readonly SecretSummary[];
  /** What jobs of the repository see; with an environment, what those of it see. Names in capitals. */
  secretsFor(repository: string, environment?: string): Values;
  variablesFor(repository: string, environment?: string): Values;
  /** What a job with that environment sees over the rest, by name in lower case. */
  environmentsOf(repository: string): { readonly [name: string]: { readonly secrets: Values; readonly vars: Values } };
}

export interface SecretSummary {
  readonly name: string;
  readonly updatedAt: string;
  /** Undefined for a secret. */
  readonly value: string | undefined;
}

export interface SecretStoreOptions extends SecretKeyPlaces {
  /** Wall clock, in ms. */
  readonly now: () => number;
}

const MAX_VALUE_BYTES = 48 * 1024;
const MAX_OF_SCOPE = 1000;

// What was overwritten does not stay in free pages of the file.
const SCHEMA = `
  PRAGMA secure_delete = ON;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS value (
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, scope, name)
  ) STRICT, WITHOUT ROWID;
`;

const SQL = {
  put: `INSERT INTO value (kind, scope, name, value, updated_ms) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (kind, scope, name) DO UPDATE SET value = excluded.value, updated_ms = excluded.updated_ms`,
  remove: "DELETE FROM value WHERE kind = ? AND scope = ? AND name = ?",
  find: "SELECT 1 FROM value WHERE kind = ? AND scope = ? AND name = ?",
  list: "SELECT name, value, updated_ms FROM value WHERE kind = ? AND scope = ? ORDER BY name",
  scopes: "SELECT DISTINCT scope FROM value WHERE scope GLOB ?",
} as const;

/** The key is looked for when a secret is first written or read. */
export function openSecretStore(options: SecretStoreOptions): SecretStore {
  const { database, statements } = openIndexDatabase(join(options.stateDir, "secrets.db"), SCHEMA, SQL);
  let opened: SecretKey | undefined;
  const key = (): SecretKey => (opened ??= openSecretKey(options));

  const valueOf = (kind: SecretKind, scope: string, name: string, value: unknown): string => {
    if (!(value instanceof Uint8Array)) throw new Error("values are blobs");
    if (kind === "variable") return Buffer.from(value).toString("utf8");
    const text = unseal(value, identity(kind, scope, name), key().bytes);
    if (text !== undefined) return text;
    throw new EngineError(
      "STATE_UNREADABLE",
      `Cannot read the secret ${name}: ${key().path} is not its key, or it was changed`,
      {
        hint: "Bring back the key file, or set the secret again.",
      },
    );
  };
  const valuesOf = (kind: SecretKind, scope: string): Values =>
    Object.fromEntries(
      statements.list.all(kind, scope).map((row) => {
        const name = String(row["name"]);
        return [name, valueOf(kind, scope, name, row["value"])];
      }),
    );
  const valuesFor = (kind: SecretKind, repository: string, environment: string | undefined): Values => {
    const [owner = ""] = repository.split("/");
    const scopes: readonly SecretScope[] = [
      { kind: "organisation", owner },
      { kind: "repository", repository },
      ...(environment === undefined ? [] : [{ kind: "environment", repository, environment } as const]),
    ];
    return scopes.map((scope) => valuesOf(kind, keyOfScope(scope))).reduce((base, over) => overlay(base, over), {});
  };

  return {
    set(kind, scope, name, value) {
      const [place, known] = [keyOfScope(scope), checkName(name)];
      const bytes = Buffer.byteLength(value);
      const bad = (reason: string): EngineError =>
        new EngineError("BAD_USAGE", `Cannot set the ${kind} ${known}: ${reason}`);
      if (bytes > MAX_VALUE_BYTES) throw bad(`${bytes} bytes are more than the ${MAX_VALUE_BYTES} that GitHub takes`);
      if (kind === "secret" && value.trim() === "") throw bad("its value is empty");
      const isNew = statements.find.get(kind, place, known) === undefined;
      if (isNew && statements.list.all(kind, place).length >= MAX_OF_SCOPE)
        throw bad(`there are ${MAX_OF_SCOPE} already`);
      const kept = kind === "secret" ? seal(value, identity(kind, place, known), key().bytes) : Buffer.from(value);
      statements.put.run(kind, place, known, kept, options.now());
    },
    remove(kind, scope, name) {
      return statements.remove.run(kind, keyOfScope(scope), checkName(name)).changes > 0;
    },
    list(kind, scope) {
      const place = keyOfScope(scope);
      return statements.list.all(kind, place).map((row) => ({
        name: String(row["name"]),
        updatedAt: new Date(Number(row["updated_ms"])).toISOString(),
        value: kind === "secret" ? undefined : valueOf(kind, place, String(row["name"]), row["value"]),
      }));
    },
    secretsFor: (repository, environment) => valuesFor("secret", repository, environment),
    variablesFor: (repository, environment) => valuesFor("variable", repository, environment),
    environmentsOf(repository) {
      // Brackets and stars mean something to GLOB; names of repositories have neither.
      const prefix = keyOfScope({ kind: "environment", repository, environment: "x" }).slice(0, -1);
      const names = statements.scopes.all(`${prefix}*`).map((row) => String(row["scope"]).slice(prefix.length));
      return Object.fromEntries(
        names.map((name) => {
          const scope = `${prefix}${name}`;
          return [name, { secrets: valuesOf("secret", scope), vars: valuesOf("variable", scope) }];
        }),
      );
    },
    [Symbol.dispose]: () => database.close(),
  };
}

function identity(kind: SecretKind, scope: string, name: string): string {
  return `${kind}\n${scope}\n${name}`;
}
