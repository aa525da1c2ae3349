/**
 * What `hearth.yml` says of variables and secrets, as values: secrets are read from where the file says they are. One that is
 * not there is left out, which a job reads as the empty text, as on GitHub; the warning says so.
 */
import { readFile, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { NamedValues, SecretSource } from "./named-values.ts";
import { HEARTH_FILE } from "./settings-node.ts";

export interface ReadValues {
  readonly vars: { readonly [name: string]: string };
  readonly secrets: { readonly [name: string]: string };
  readonly warnings: readonly Diagnostic[];
}

export interface SecretPlaces {
  /** Absolute: files are below it. */
  readonly root: string;
  /** Of Hearth's own environment. */
  readonly variable: (name: string) => string | undefined;
}

/** GitHub keeps no larger secret. */
const MAX_SECRET_BYTES = 48 * 1024;

export async function readValues({ vars, secrets }: NamedValues, places: SecretPlaces): Promise<ReadValues> {
  const found = await Promise.all(
    [...secrets].map(async ([name, source]) => ({ name, source, ...(await find(source, places)) })),
  );
  return {
    vars: Object.fromEntries(vars),
    secrets: Object.fromEntries(found.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]))),
    warnings: found.flatMap(({ name, source: { at, key }, reason }) =>
      reason === undefined
        ? []
        : [{ kind: "warning", file: HEARTH_FILE, at, key, message: `The secret ${name} has no value: ${reason}` }],
    ),
  };
}

interface Found {
  readonly value: string | undefined;
  /** Why there is none. */
  readonly reason: string | undefined;
}

async function find({ from, name }: SecretSource, { root, variable }: SecretPlaces): Promise<Found> {
  if (from === "file") return readSecretFile(root, name);
  const value = variable(name);
  const reason = value === undefined ? `${name} is not set` : undefined;
  return { value, reason };
}

async function readSecretFile(root: string, name: string): Promise<Found> {
  const missing = (reason: string): Found => ({ value: undefined, reason: `${name} ${reason}` });
  try {
    const [path, top] = await Promise.all([realpath(join(root, name)), realpath(root)]);
    // A link in the repository may lead to a key of the person who runs it.
    if (!path.startsWith(top + sep)) return missing("leads out of the repository");
    const file = await stat(path);
    if (!file.isFile()) return missing("is no regular file");
    if (file.size > MAX_SECRET_BYTES) return missing(`is larger than ${MAX_SECRET_BYTES} bytes`);
    const text = await readFile(path, "utf8");
    return { value: text.replace(/\r?\n$/u, ""), reason: undefined };
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return missing(error.code === "ENOENT" ? "is not there" : `cannot be read: ${error.message}`);
  }
}
