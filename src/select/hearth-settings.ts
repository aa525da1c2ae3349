/**
 * What `hearth.yml` comes to on this host, for the operator who runs it: machines for labels, variables, secrets, environments.
 * Without the file: what Hearth knows of labels and images by itself.
 */
import type { ActionPolicy } from "../action/policy.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { createRunnerMap } from "../plan/runner-map.ts";
import type { RunnerHost, RunnerMap } from "../plan/runner-map.ts";
import { allowedRunners } from "./allowed-runners.ts";
import type { Allowance } from "./allowed-runners.ts";
import { readHearthFile } from "./hearth-file.ts";
import type { NetworkWish } from "./network-settings.ts";
import { readValues } from "./secret-values.ts";
import type { ReadValues, SecretPlaces } from "./secret-values.ts";
import { HEARTH_FILE } from "./settings-node.ts";
import type { TranslateSettings } from "./translate-settings.ts";

export interface HearthSettings extends Omit<ReadValues, "warnings"> {
  readonly runners: RunnerMap;
  /** By name in lower case. */
  readonly environments: { readonly [name: string]: ReadValues };
  /** Hosts that the file lets machines reach: none unless the operator takes its list. */
  readonly network: readonly string[];
  /** Which actions of other repositories may be used. */
  readonly actions: ActionPolicy;
  /** What stands for actions that cannot run here. */
  readonly translate: TranslateSettings;
  /** Of what every job gets; those of an environment are with it. */
  readonly warnings: readonly Diagnostic[];
}

export interface HearthHost extends Allowance {
  readonly arch: RunnerHost["arch"];
  readonly images: () => Promise<RunnerHost["images"]>;
  readonly variable: SecretPlaces["variable"];
  /** The operator said `--network repository`; or said more than the file can ask for. */
  readonly takesNetwork: boolean;
}

/** Throws BAD_CONFIG for a file that cannot be used. */
export async function loadHearthSettings(root: string, host: HearthHost): Promise<HearthSettings> {
  const [file, images] = await Promise.all([readHearthFile(root), host.images()]);
  const places = { root, variable: host.variable };
  const environments = await Promise.all(
    [...file.environments].map(async ([name, values]) => [name, await readValues(values, places)] as const),
  );
  const { warnings, ...values } = await readValues(file.values, places);
  return {
    ...values,
    warnings: [...warnings, ...networkWarning(file.network, host)],
    network: host.takesNetwork ? file.network.hosts : [],
    actions: file.actions,
    translate: file.translate,
    runners: createRunnerMap(allowedRunners(file.runners, host), { arch: host.arch, images }),
    environments: Object.fromEntries(environments),
  };
}

function networkWarning({ hosts, at }: NetworkWish, { takesNetwork }: HearthHost): readonly Diagnostic[] {
  if (takesNetwork || hosts.length === 0) return [];
  const shown = hosts.length > 5 ? [...hosts.slice(0, 5), `${hosts.length - 5} more`] : hosts;
  const message = `The file asks for the network (${shown.join(", ")}); machines reach these hosts with --network repository`;
  return [{ kind: "warning", file: HEARTH_FILE, at, key: "network", message }];
}
