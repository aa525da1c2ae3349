/**
 * Variables and secrets of `hearth.yml`, for all jobs or for those of an environment. A secret's value never stands in the file,
 * only where it is: in a variable whose name says that it is for this, or in a file of the repository's directory. Otherwise a
 * stranger's file could ask for any variable and any file of the person who runs it.
 */
import { isMap } from "yaml";
import type { Position } from "../lib/diagnostic.ts";
import { fault, nameOf, readEntries, readMembers, textOf } from "./settings-node.ts";
import type { Place, Reader } from "./settings-node.ts";

/** Names as written; no two differ in case alone. */
export interface NamedValues {
  readonly vars: ReadonlyMap<string, string>;
  readonly secrets: ReadonlyMap<string, SecretSource>;
}

export interface SecretSource {
  readonly from: "variable" | "file";
  /** Of a variable of Hearth's own environment, or a path relative to the repository's root. */
  readonly name: string;
  readonly at: Position;
  readonly key: string;
}

export interface EnvironmentValues extends NamedValues {
  /** `approval: required`: somebody lets each of its jobs begin. Counts in the file of the default branch alone. */
  readonly approval: boolean;
}

/** By name in lower case, as GitHub compares them. */
export function readEnvironments(reader: Reader, place: Place): ReadonlyMap<string, EnvironmentValues> {
  const environments = new Map<string, EnvironmentValues>();
  for (const entry of readEntries(reader, place)) {
    const name = nameOf(entry);
    if (name === undefined || name === "" || name.length > 255) {
      fault(reader, { ...entry, node: entry.name }, "Expected the name of an environment, at most 255 characters");
      continue;
    }
    if (environments.has(name.toLowerCase())) fault(reader, entry, `The environment '${name}' comes twice`);
    let vars: NamedValues["vars"] = new Map();
    let secrets: NamedValues["secrets"] = new Map();
    let approval = false;
    readMembers(reader, entry, {
      vars: (value) => (vars = readVars(reader, value)),
      secrets: (value) => (secrets = readSecrets(reader, value)),
      approval: (value) => {
        approval = textOf(reader, value, "required") === "required";
        if (!approval) fault(reader, value, "Expected required; without the key nobody is asked");
      },
    });
    environments.set(name.toLowerCase(), { vars, secrets, approval });
  }
  return environments;
}

export function readVars(reader: Reader, place: Place): NamedValues["vars"] {
  return new Map(
    readNamed(reader, place).flatMap(([name, value]) => {
      const text = textOf(reader, value, "a text");
      return text === undefined ? [] : [[name, text]];
    }),
  );
}

const SECRET = "Secrets do not stand in a file of the repository: expected { env: HEARTH_SECRET_… } or { file: PATH }";

export function readSecrets(reader: Reader, place: Place): NamedValues["secrets"] {
  return new Map(
    readNamed(reader, place).flatMap(([name, value]) => {
      const source = readSecret(reader, value);
      return source === undefined ? [] : [[name, source]];
    }),
  );
}

function readSecret(reader: Reader, place: Place): SecretSource | undefined {
  if (!isMap(place.node) || place.node.items.length !== 1) {
    // The value itself is not repeated: it may be the secret.
    fault(reader, place, SECRET);
    return undefined;
  }
  let source: SecretSource | undefined;
  const { at, key } = place;
  readMembers(reader, place, {
    env: (value) => {
      const name = textOf(reader, value, "the name of an environment variable");
      if (name === undefined) return;
      if (/^HEARTH_SECRET_\w+$/u.test(name)) source = { from: "variable", name, at, key };
      else
        fault(reader, value, "The variable's name must begin with HEARTH_SECRET_: a repository cannot ask for others");
    },
    file: (value) => {
      const name = textOf(reader, value, "a path");
      if (name === undefined) return;
      const outside = name.startsWith("/") || name.split("/").includes("..") || name === "";
      if (outside) fault(reader, value, "Expected a path inside the repository, relative to its root");
      else source = { from: "file", name, at, key };
    },
  });
  return source;
}

/** Entries whose keys are names of variables or secrets. */
function readNamed(reader: Reader, place: Place): readonly (readonly [name: string, value: Place])[] {
  const seen = new Set<string>();
  return readEntries(reader, place).flatMap((entry) => {
    const name = nameOf(entry) ?? "";
    if (!/^[A-Za-z_]\w{0,254}$/u.test(name)) {
      fault(reader, { ...entry, node: entry.name }, "Expected a name of letters, digits and '_'");
      return [];
    }
    if (seen.has(name.toLowerCase())) fault(reader, entry, `'${name}' comes twice; case makes no difference`);
    seen.add(name.toLowerCase());
    return [[name, entry] as const];
  });
}
