/**
 * `runs-on` of `hearth.yml`: what sets of labels mean. Windows and macOS can only be unsupported, whatever the file says: a job
 * written for them must never be green because it ran in a Linux machine.
 */
import { isScalar } from "yaml";
import type { Position } from "../lib/diagnostic.ts";
import type { DeviceLimits, MachineChoice } from "../plan/runner-map.ts";
import { readBalloon, readDiskLimits, sizeOf } from "./device-limits.ts";
import { fault, nameOf, oneOf, readEntries, readMembers, textOf } from "./settings-node.ts";
import type { Entry, Place, Reader } from "./settings-node.ts";

/** What a set of labels means. */
export interface RunnerSetting {
  readonly at: Position;
  readonly labels: readonly string[];
  readonly machine: MachineChoice | { readonly unsupported: string };
}

const RUNNER_KEYS = "provider, image, cpus, memory, disk, balloon or unsupported";

export function readRunners(reader: Reader, place: Place): readonly RunnerSetting[] {
  const seen = new Set<string>();
  return readEntries(reader, place).flatMap((entry) => {
    const labels = labelsOf(reader, entry);
    const set = JSON.stringify(labels.map((label) => label.toLowerCase()).toSorted());
    const runner: Place = { ...entry, key: `runs-on.${labels.join(", ")}` };
    if (seen.has(set)) fault(reader, runner, "These labels come twice");
    seen.add(set);
    const machine = labels.length === 0 ? undefined : readRunner(reader, runner, labels);
    return machine === undefined ? [] : [{ at: entry.at, labels, machine }];
  });
}

/** `ubuntu-latest: …` or, for jobs that have all of several labels, `self-hosted, gpu: …`: no label holds a comma. */
function labelsOf(reader: Reader, entry: Entry): readonly string[] {
  const labels = (nameOf(entry) ?? "").split(",").map((label) => label.trim());
  if (labels.every((label) => label !== "" && label.length <= 256)) return labels;
  fault(
    reader,
    { ...entry, node: entry.name },
    "Expected a label, or several with commas between them: self-hosted, gpu",
  );
  return [];
}

function readRunner(
  reader: Reader,
  place: Place,
  labels: readonly string[],
): MachineChoice | { readonly unsupported: string } | undefined {
  const foreign = labels.find((label) => /^(?:windows|macos)(?:-(?:latest|\d.*))?$/iu.test(label));
  let machine: MachineChoice = { provider: undefined, image: undefined, cpus: undefined, memoryMib: undefined };
  const faultsBefore = reader.diagnostics.length;
  let unsupported: string | undefined;
  let given: Place | undefined;
  const take = (value: Place, part: Partial<MachineChoice>): void => {
    given ??= value;
    machine = { ...machine, ...part };
  };
  const devices: Place[] = [];
  const takeDevice = (value: Place, part: DeviceLimits): void => {
    devices.push(value);
    take(value, { devices: { ...machine.devices, ...part } });
  };
  readMembers(reader, place, {
    provider: (value) => take(value, { provider: oneOf(reader, value, ["firecracker", "gvisor", "qemu", "host"]) }),
    image: (value) => take(value, { image: imageOf(reader, value) }),
    cpus: (value) => take(value, { cpus: cpusOf(reader, value) }),
    memory: (value) => take(value, { memoryMib: memoryOf(reader, value) }),
    disk: (value) => takeDevice(value, readDiskLimits(reader, value)),
    balloon: (value) => takeDevice(value, readBalloon(reader, value)),
    unsupported: (value) => (unsupported = textOf(reader, value, "the reason, as a text")),
  });
  if (machine.provider !== "firecracker") {
    for (const device of devices)
      fault(reader, device, "Only Firecracker limits this: say provider: firecracker as well");
  }
  if (unsupported !== undefined) {
    if (given !== undefined) fault(reader, given, "What is unsupported has no machine: leave one of the two out");
    return { unsupported };
  }
  if (foreign !== undefined) {
    fault(
      reader,
      place,
      `Machines run Linux, so a job for '${foreign}' cannot run here: only unsupported: REASON is allowed`,
    );
  } else if (given === undefined && reader.diagnostics.length === faultsBefore) {
    fault(reader, place, `Expected ${RUNNER_KEYS}`);
  }
  return machine;
}

function imageOf(reader: Reader, place: Place): string | undefined {
  const name = textOf(reader, place, "the name of an image");
  if (name === undefined || /^[a-z0-9][a-z0-9._-]{0,63}$/u.test(name)) return name;
  fault(reader, place, `No image can be called '${name}': small letters, digits, '.', '_' and '-', at most 64`);
  return undefined;
}

function cpusOf(reader: Reader, place: Place): number | undefined {
  const value = isScalar(place.node) ? place.node.value : undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 256) return value;
  fault(reader, place, "Expected a number from 1 to 256");
  return undefined;
}

function memoryOf(reader: Reader, place: Place): number | undefined {
  return sizeOf(reader, place, { leastMib: 256, mostMib: 1024 * 1024, such: "2048 MiB or 4 GiB" });
}
