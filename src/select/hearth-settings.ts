/**
 * What `hearth.yml` comes to on this host, for the operator who runs it: machines for labels, variables, secrets, environments.
 * Without the file: what Hearth knows of labels and images by itself.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { createRunnerMap } from "../plan/runner-map.ts";
import type { RunnerHost, RunnerMap } from "../plan/runner-map.ts";
import { allowedRunners } from "./allowed-runners.ts";
import type { Allowance } from "./allowed-runners.ts";
import { readHearthFile } from "./hearth-file.ts";
import { readValues } from "./secret-values.ts";
import type { ReadValues, SecretPlaces } from "./secret-values.ts";

export interface HearthSettings extends Omit<ReadValues, "warnings"> {
  readonly runners: RunnerMap;
  /** By name in lower case. */
  readonly environments: { readonly [name: string]: ReadValues };
  /** Of what every job gets; those of an environment are with it. */
  readonly warnings: readonly Diagnostic[];
}

export interface HearthHost extends Allowance {
  readonly arch: RunnerHost["arch"];
  readonly images: () => Promise<RunnerHost["images"]>;
  readonly variable: SecretPlaces["variable"];
}

/** Throws BAD_CONFIG for a file that cannot be used. */
export async function loadHearthSettings(root: string, host: HearthHost): Promise<HearthSettings> {
  const [file, images] = await Promise.all([readHearthFile(root), host.images()]);
  const places = { root, variable: host.variable };
  const environments = await Promise.all(
    [...file.environments].map(async ([name, values]) => [name, await readValues(values, places)] as const),
  );
  return {
    ...(await readValues(file.values, places)),
    runners: createRunnerMap(allowedRunners(file.runners, host), { arch: host.arch, images }),
    environments: Object.fromEntries(environments),
  };
}
