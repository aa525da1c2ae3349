/**
 * Ids of jobs and steps: which ones an author may write, and the ones that GitHub makes up for steps without: `__run`,
 * `__actions_checkout`, `__run_2`. Ids are compared without case, because the `steps` context is. Source: ACTIONS-CONTRACT §1.2.
 */
const MAX_LENGTH = 100;

/** GitHub's message when an author may not use this id, else undefined. */
export function faultOfId(id: string): string | undefined {
  if (!/^[a-z_][\w-]*$/i.test(id) || id.length >= MAX_LENGTH) {
    return `The identifier '${id}' is invalid. IDs may only contain alphanumeric characters, '_', and '-'. IDs must start with a letter or '_' and and must be less than ${MAX_LENGTH} characters.`;
  }
  return id.startsWith("__") ? `The identifier '${id}' is invalid. IDs starting with '__' are reserved.` : undefined;
}

/** The ids of one job's steps. Those that authors gave must be added before the first one is made up. */
export class StepIds {
  readonly #taken = new Set<string>();
  readonly #lastNumber = new Map<string, number>();

  /** GitHub's message when the id cannot be used here, else undefined. */
  add(id: string): string | undefined {
    const fault = faultOfId(id);
    if (fault !== undefined) return fault;
    if (this.has(id)) return `The identifier '${id}' may not be used more than once within the same scope.`;
    this.#taken.add(id.toLowerCase());
    return undefined;
  }

  has(id: string): boolean {
    return this.#taken.has(id.toLowerCase());
  }

  /** `what` the step does: `run`, or what it uses. */
  makeUp(what: string): string {
    const base = `__${what.replace(/[^\w-]/g, "_")}`;
    for (let number = (this.#lastNumber.get(base) ?? 0) + 1; ; number++) {
      const suffix = number === 1 ? "" : `_${number}`;
      const id = base.slice(0, MAX_LENGTH - suffix.length) + suffix;
      if (this.has(id)) continue;
      this.#lastNumber.set(base, number);
      this.#taken.add(id.toLowerCase());
      return id;
    }
  }
}

/** What a step's id is made of when it uses this: the image, `self` for the repository's own, else `owner/repository`. */
export function idBaseOf(uses: string): string {
  if (uses.startsWith("docker://")) return uses.slice("docker://".length);
  if (/^(?:\.[/\\]|\$\/)/.test(uses)) return "self";
  const [owner, repository] =
    uses
      .split("@", 1)[0]
      ?.split(/[\\/]/)
      .filter((part) => part !== "") ?? [];
  return owner === undefined || repository === undefined ? "run" : `${owner}/${repository}`;
}
