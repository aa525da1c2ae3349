/** Which machine a job gets for its `runs-on`: what `hearth.yml` says of the labels, else what GitHub's own labels mean here. */

/** Undefined: the run's own choice. */
export interface MachineChoice {
  readonly provider: "firecracker" | "qemu" | "gvisor" | "host" | undefined;
  /** Name of an image of this host, as `hearth image list` shows it. */
  readonly image: string | undefined;
  readonly cpus: number | undefined;
  readonly memoryMib: number | undefined;
}

export type RunnerAnswer =
  | { readonly kind: "machine"; readonly machine: MachineChoice }
  /** `message` is a sentence with what to do. */
  | { readonly kind: "unsupported"; readonly message: string };

/** Asked with the labels that `runs-on` came to, in the order of the file. */
export type RunnerMap = (labels: readonly string[]) => RunnerAnswer;

const OWN_CHOICE: MachineChoice = { provider: undefined, image: undefined, cpus: undefined, memoryMib: undefined };

/** Without a `hearth.yml`: every label means the run's own machine, but for those of other systems. */
export const defaultRunners: RunnerMap = (labels) => {
  const machine: RunnerAnswer = { kind: "machine", machine: OWN_CHOICE };
  if (labels.some((label) => /^(?:linux|ubuntu)/iu.test(label))) return machine;
  const foreign = labels.find((label) => /(?:^|[^a-z0-9])(?:windows|macos)(?![a-z])/iu.test(label));
  if (foreign === undefined) return machine;
  const message = `The runner '${foreign}' is unsupported: machines run Linux. Run this job on GitHub, or leave it out with --job or --matrix`;
  return { kind: "unsupported", message };
};
