/**
 * What a guest image is made of: a JSON file that a person copies, edits and extends. `hearth.json` beside this file is the
 * default. The user `runner`, Node for actions and the layout of /opt are not up to a definition: the guest agent and
 * unmodified actions rely on them (`customise.ts`).
 *
 *   { "name": "mine", "extends": "hearth", "packages": ["postgresql-client"], "run": ["pip install --break-system-packages ruff"] }
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { _default, array, literal, optional, record, regex, safeParse, strictObject, string } from "zod/mini";
import type { core, infer as Infer, ZodMiniType } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";
import hearth from "./hearth.json" with { type: "json" };

const name = string().check(regex(/^[a-z0-9][a-z0-9._-]{0,39}$/, "must match [a-z0-9][a-z0-9._-]{0,39}"));
const hostname = string().check(regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be one host name label"));
const packageName = string().check(regex(/^[a-z0-9][a-z0-9+.-]+$/, "must be a Debian package name"));
// Written to /etc/environment, one line each and read without a shell.
const environment = record(
  string().check(regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a variable name")),
  string().check(regex(/^[^\n\0"\\]*$/, "must be one line without quotes and backslashes")),
);

const Complete = strictObject({
  name,
  /** What `runs-on` may say for this image. */
  labels: _default(array(string()), []),
  /** Debian release. */
  suite: string().check(regex(/^[a-z]+$/, "must be a Debian release name such as bookworm")),
  packages: array(packageName),
  hostname: _default(hostname, "hearth"),
  environment: _default(environment, {}),
  /** Shell lines run as root inside the finished tree, with the host's network. */
  run: _default(array(string()), []),
});

/** Lists and variables are added to the default's; anything else replaces it. */
const Extension = strictObject({
  name,
  extends: literal("hearth"),
  labels: optional(array(string())),
  suite: optional(Complete.shape.suite),
  packages: _default(array(packageName), []),
  hostname: optional(hostname),
  environment: _default(environment, {}),
  run: _default(array(string()), []),
});

export type ImageDefinition = Readonly<Infer<typeof Complete>>;

/** Raised when the builder itself makes something else of the same definition. */
const BUILDER_VERSION = 3;

export const defaultDefinition: ImageDefinition = Complete.parse(hearth);

/** Throws `EngineError` BAD_CONFIG naming file and key. */
export async function readDefinition(path: string): Promise<ImageDefinition> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new EngineError("BAD_CONFIG", `Cannot read image definition ${path}`, { cause: error });
  }
  return parseDefinition(text, path);
}

/** Throws `EngineError` BAD_CONFIG naming `file` and the key. */
export function parseDefinition(text: string, file: string): ImageDefinition {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new EngineError("BAD_CONFIG", `Image definition ${file} is not JSON: ${String(error)}`, { cause: error });
  }
  const extending = typeof json === "object" && json !== null && "extends" in json;
  if (!extending) return check(Complete, json, file);
  const extension = check(Extension, json, file);
  return {
    name: extension.name,
    labels: extension.labels ?? defaultDefinition.labels,
    suite: extension.suite ?? defaultDefinition.suite,
    packages: [...defaultDefinition.packages, ...extension.packages],
    hostname: extension.hostname ?? defaultDefinition.hostname,
    environment: { ...defaultDefinition.environment, ...extension.environment },
    run: [...defaultDefinition.run, ...extension.run],
  };
}

/** 64 hex digits: the same for definitions that make the same image, whatever their order of packages and variables. */
export function definitionDigest(definition: ImageDefinition, arch: string): string {
  const normalised = {
    builder: BUILDER_VERSION,
    arch,
    name: definition.name,
    labels: definition.labels.toSorted(),
    suite: definition.suite,
    packages: [...new Set(definition.packages)].toSorted(),
    hostname: definition.hostname,
    environment: Object.entries(definition.environment).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    run: definition.run,
  };
  return createHash("sha256").update(JSON.stringify(normalised)).digest("hex");
}

function check<T>(schema: ZodMiniType<T>, json: unknown, file: string): T {
  const result = safeParse(schema, json);
  if (result.success) return result.data;
  const faults = result.error.issues.map(describeFault);
  throw new EngineError("BAD_CONFIG", `Image definition ${file} is not valid: ${faults.join("; ")}`);
}

function describeFault(issue: core.$ZodIssue): string {
  const key = issue.path.join(".") || "(whole file)";
  switch (issue.code) {
    case "unrecognized_keys":
      return `${key}: there is no key ${issue.keys.join(", ")}`;
    case "invalid_type":
      return `${key}: must be ${issue.expected}`;
    case "invalid_value":
      return `${key}: must be ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    default:
      return `${key}: ${issue.message}`;
  }
}
