/**
 * The text of `hearth.yml` to what it says, or to diagnostics with positions: unknown keys, wrong types and values that cannot be
 * meant are faults, never passed over. Pure. docs/hearth-file.md is for people.
 *
 * The file comes with the repository, so it may be a stranger's. It can name what a machine is made of and what a job is told,
 * and nothing that lowers what the operator chose: what it says of the network is a wish (`network-settings.ts`).
 */
import type { ActionPolicy } from "../action/policy.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { READ_LIMITS } from "../workflow/limits.ts";
import { parseYaml } from "../workflow/parse-yaml.ts";
import { readActionPolicy } from "./action-policy.ts";
import { readEnvironments, readSecrets, readVars } from "./named-values.ts";
import type { EnvironmentValues, NamedValues } from "./named-values.ts";
import { NO_NETWORK_WISH, readNetwork } from "./network-settings.ts";
import type { NetworkWish } from "./network-settings.ts";
import { readRunners } from "./runner-settings.ts";
import type { RunnerSetting } from "./runner-settings.ts";
import { HEARTH_FILE, readMembers } from "./settings-node.ts";
import type { Reader } from "./settings-node.ts";
import { DEFAULT_TRANSLATE, readTranslate } from "./translate-settings.ts";
import type { TranslateSettings } from "./translate-settings.ts";

export interface HearthFile {
  readonly runners: readonly RunnerSetting[];
  /** For every job. */
  readonly values: NamedValues;
  /** By name in lower case. */
  readonly environments: ReadonlyMap<string, EnvironmentValues>;
  readonly network: NetworkWish;
  readonly actions: ActionPolicy;
  readonly translate: TranslateSettings;
}

export type HearthFileResult =
  | { readonly kind: "parsed"; readonly file: HearthFile }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

export const EMPTY_HEARTH_FILE: HearthFile = {
  runners: [],
  values: { vars: new Map(), secrets: new Map() },
  environments: new Map(),
  network: NO_NETWORK_WISH,
  actions: { allow: undefined, requireSha: undefined },
  translate: DEFAULT_TRANSLATE,
};

export function parseHearthFile(text: string): HearthFileResult {
  if (text.split("\n").every((line) => /^\s*(?:#|$)/u.test(line))) return { kind: "parsed", file: EMPTY_HEARTH_FILE };
  const yaml = parseYaml(HEARTH_FILE, text, READ_LIMITS);
  if (yaml.kind === "refused") return { kind: "refused", diagnostics: yaml.diagnostics };
  const reader: Reader = { document: yaml.document, lines: yaml.lines, diagnostics: [] };
  let { runners, environments, values, network, actions, translate } = EMPTY_HEARTH_FILE;
  const whole = { node: yaml.document.contents, key: "", at: { line: 1, column: 1 } };
  readMembers(reader, whole, {
    "runs-on": (place) => (runners = readRunners(reader, place)),
    environments: (place) => (environments = readEnvironments(reader, place)),
    vars: (place) => (values = { ...values, vars: readVars(reader, place) }),
    secrets: (place) => (values = { ...values, secrets: readSecrets(reader, place) }),
    actions: (place) => (actions = readActionPolicy(reader, place)),
    network: (place) => (network = readNetwork(reader, place)),
    translate: (place) => (translate = readTranslate(reader, place)),
  });
  const { diagnostics } = reader;
  if (diagnostics.length > 0) return { kind: "refused", diagnostics };
  return { kind: "parsed", file: { runners, values, environments, network, actions, translate } };
}
