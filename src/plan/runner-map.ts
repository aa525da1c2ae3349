/**
 * Which machine a job gets for its `runs-on`: what `hearth.yml` says of the labels, else an image of this host that carries
 * one, else what GitHub's own labels mean here. Machines run Linux on this host's processor; what asks for another system or
 * processor is unsupported, never run in something else. Labels mean the same in any case.
 * Source: https://docs.github.com/en/actions/reference/runners/github-hosted-runners, ACTIONS-CONTRACT §7; docs/hearth-file.md.
 */
import { isMapping, member } from "../context/mapping.ts";
import { isArray, toText } from "../expression/coerce.ts";
import type { Value } from "../expression/template.ts";

/** Undefined: the run's own choice. */
export interface MachineChoice {
  readonly provider: "firecracker" | "qemu" | "gvisor" | "host" | undefined;
  /** Name of an image of this host, as `hearth image list` shows it. */
  readonly image: string | undefined;
  readonly cpus: number | undefined;
  readonly memoryMib: number | undefined;
  /** Of a Firecracker machine. */
  readonly devices?: DeviceLimits;
}

/** Beside the operator's own; the lower one counts. */
export interface DeviceLimits {
  /** Of each disk. */
  readonly diskMibPerSecond?: number;
  readonly diskOpsPerSecond?: number;
  /** Of its memory: the guest gets it when it runs short, and not before. */
  readonly balloonMib?: number;
}

export type RunnerAnswer =
  /** `warning`: nobody has said what a label means. */
  | { readonly kind: "machine"; readonly machine: MachineChoice; readonly warning?: string }
  /** `message` is a sentence with what to do. */
  | { readonly kind: "unsupported"; readonly message: string };

/** Asked with the labels that `runs-on` came to, in the order of the file. */
export type RunnerMap = (labels: readonly string[]) => RunnerAnswer;

/** What `hearth.yml` says of jobs whose `runs-on` has all these labels. */
export interface RunnerEntry {
  readonly labels: readonly string[];
  readonly answer: RunnerAnswer;
}

export interface RunnerHost {
  readonly arch: "X64" | "ARM64";
  /** Newest first; `labels` are those of its definition. */
  readonly images: readonly { readonly name: string; readonly labels: readonly string[] }[];
}

const OWN_CHOICE: MachineChoice = { provider: undefined, image: undefined, cpus: undefined, memoryMib: undefined };

/**
 * Of several entries that fit, the one with the most labels counts, and of those the first. An entry for `self-hosted` says
 * nothing of `[self-hosted, windows]`: what Hearth knows to be another kind of machine, an entry must name.
 */
export function createRunnerMap(entries: readonly RunnerEntry[], host: RunnerHost): RunnerMap {
  const bySize = entries.toSorted((a, b) => b.labels.length - a.labels.length);
  return (labels) => {
    const foreign = foreignRunner(labels, host.arch);
    const entry = bySize.find(
      (candidate) =>
        candidate.labels.every((label) => has(labels, label)) &&
        (foreign === undefined || has(candidate.labels, foreign.label)),
    );
    return entry?.answer ?? foreign?.answer ?? ownMachine(labels, host);
  };
}

/** Without a `hearth.yml` and images: for tests, and what reads plans without a host. */
export const defaultRunners: RunnerMap = createRunnerMap([], { arch: "X64", images: [] });

/** What `runs-on` came to, as a list: a label, a sequence of labels, or `{ group, labels }`; the group where it has no labels. */
export function runnerLabels(runsOn: Value): readonly string[] {
  if (!isMapping(runsOn)) return isArray(runsOn) ? runsOn.map((label) => toText(label)) : [toText(runsOn)];
  const labels = runnerLabels(member(runsOn, "labels") ?? []);
  const group = member(runsOn, "group");
  return labels.length > 0 || group === undefined ? labels : [toText(group)];
}

interface Foreign {
  readonly label: string;
  readonly answer: RunnerAnswer;
}

/** Machines here are not that; undefined when they are. */
function foreignRunner(labels: readonly string[], arch: RunnerHost["arch"]): Foreign | undefined {
  const system = labels.find((label) => namesSystem(label, /^(?:windows|macos)$/u));
  if (system !== undefined && !labels.some(isLinux)) return unsupported(system, "machines run Linux");
  const processor = labels.find((label) => !fits(processorOf(label), arch));
  return processor === undefined ? undefined : unsupported(processor, `the machines of this host are ${arch}`);
}

function unsupported(label: string, why: string): Foreign {
  const fix = "Run this job on GitHub, or leave it out with --skip-unsupported, --job or --matrix";
  const message = `The runner '${label}' is unsupported: ${why}. ${fix}`;
  return { label, answer: { kind: "unsupported", message } };
}

function ownMachine(labels: readonly string[], { images }: RunnerHost): RunnerAnswer {
  const strange = labels.filter((label) => !isKnown(label));
  const image = images.find((candidate) => strange.some((label) => has(candidate.labels, label)));
  const unknown = strange.find((label) => image === undefined || !has(image.labels, label));
  const machine: MachineChoice = { ...OWN_CHOICE, image: image?.name };
  return unknown === undefined
    ? { kind: "machine", machine }
    : { kind: "machine", machine, warning: warningOf(unknown) };
}

function warningOf(label: string): string {
  const entry = `runs-on: { ${JSON.stringify(label)}: { image: NAME } }`;
  return `Nothing is known of a runner '${label}': the job runs in the run's own machine. Say in hearth.yml what it means: ${entry}`;
}

/** GitHub's images, the labels of self-hosted runners, and names that begin with the system, as larger runners have. */
function isKnown(label: string): boolean {
  return isLinux(label) || /^(?:self-hosted|x64|arm64)$/iu.test(label);
}

function isLinux(label: string): boolean {
  return /^(?:linux|ubuntu)/iu.test(label);
}

function processorOf(label: string): "X64" | "ARM64" | "ARM" | undefined {
  if (/^arm$/iu.test(label)) return "ARM";
  if (namesSystem(label, /^(?:arm|arm64|aarch64)$/u)) return "ARM64";
  return /^x64$/iu.test(label) ? "X64" : undefined;
}

function fits(processor: ReturnType<typeof processorOf>, arch: RunnerHost["arch"]): boolean {
  return processor === undefined || processor === arch;
}

/** In `ubuntu-24.04-arm` and `my_macos14_runner` as a word of its own; `windowsill` names none. */
function namesSystem(label: string, word: RegExp): boolean {
  return label
    .toLowerCase()
    .split(/[^a-z0-9]+/u)
    .some((part) => word.test(part) || word.test(part.replace(/\d+$/u, "")));
}

function has(labels: readonly string[], label: string): boolean {
  return labels.some((other) => other.toLowerCase() === label.toLowerCase());
}
