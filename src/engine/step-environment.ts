/**
 * The environment of a step's process, layer by layer; later layers win (ACTIONS-CONTRACT §1.1). Pure.
 * The `env` context is only the workflow's part of it, so it is built elsewhere and comes in as one layer.
 */

export interface EnvironmentLayers {
  /** What the machine gives every process: PATH, HOME, LANG, proxies, certificate authorities. */
  readonly machine: Readonly<Record<string, string>>;
  /** The `env` context: workflow, job, GITHUB_ENV, step. */
  readonly env: Readonly<Record<string, string>>;
  /** `STATE_*` and `INPUT_*` of actions; service variables. */
  readonly action: Readonly<Record<string, string>>;
  /** `GITHUB_PATH` entries, newest first. */
  readonly path: readonly string[];
  /** `GITHUB_*` and `RUNNER_*`: late, so the workflow cannot set them. */
  readonly variables: Readonly<Record<string, string>>;
}

export function stepEnvironment(layers: EnvironmentLayers): Record<string, string> {
  const environment: Record<string, string> = { ...layers.machine, ...layers.env, ...layers.action };
  if (layers.path.length > 0) {
    const rest = environment["PATH"];
    environment["PATH"] = [...layers.path, ...(rest === undefined || rest === "" ? [] : [rest])].join(":");
  }
  Object.assign(environment, layers.variables, { GITHUB_ACTIONS: "true" });
  environment["CI"] ??= "true";
  return environment;
}

/** Puts new `GITHUB_PATH` entries in front; one that was there already moves. The last line of the file comes first. */
export function prependPath(path: readonly string[], added: readonly string[]): string[] {
  const result = [...path];
  for (const entry of added) {
    const existing = result.indexOf(entry);
    if (existing >= 0) result.splice(existing, 1);
    result.unshift(entry);
  }
  return result;
}
