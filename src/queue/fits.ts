/**
 * Whether one more machine fits on this host. Pure: the rule of `admission.ts`, and what it says when it does not.
 *
 * Memory is never promised twice. Machines together get the host's memory less a quarter, which is the host's own; and never
 * more than is available now, less what machines that are already there may still take. Cores are shared: each has as many
 * machines' as `CORE_SHARE`. A machine by itself may have more than the quarter leaves, as long as it is there.
 */
export interface Host {
  /** All of it. */
  readonly memoryMib: number;
  /** What the kernel could give out now without taking it from anybody. */
  readonly availableMib: number;
  readonly cores: number;
}

export interface Need {
  readonly memoryMib: number;
  readonly cpus: number;
}

/** A machine that was admitted, or comes first. */
export interface Taken extends Need {
  /** Of its memory, what the host has given it already: a lower bound. */
  readonly residentMib: number;
}

const HOST_SHARE = 0.25;
const CORE_SHARE = 8;

/** Undefined: it fits. Else what is lacking, for people: `memory: needs 4352 MiB, 1200 MiB are free for machines`. */
export function lackOf(need: Need, taken: readonly Taken[], host: Host): string | undefined {
  const free = freeMib(taken, host);
  if (need.memoryMib > free) {
    return `memory: needs ${need.memoryMib} MiB, ${Math.max(0, free)} MiB are free for machines`;
  }
  const freeCores = host.cores * CORE_SHARE - sum(taken.map(({ cpus }) => cpusOf(cpus, host)));
  if (cpusOf(need.cpus, host) > freeCores) {
    return `cores: needs ${need.cpus}, ${Math.max(0, freeCores)} of ${host.cores} x ${CORE_SHARE} are free for machines`;
  }
  return undefined;
}

/** Undefined: it fits as soon as others are gone. */
export function neverFits(need: Need, { memoryMib }: Host): string | undefined {
  return need.memoryMib > memoryMib ? `it needs ${need.memoryMib} MiB, this host has ${memoryMib} MiB` : undefined;
}

/** May be less than nothing. */
export function freeMib(taken: readonly Taken[], host: Host): number {
  const toCome = sum(taken.map(({ memoryMib, residentMib }) => Math.max(0, memoryMib - residentMib)));
  const promised = sum(taken.map(({ memoryMib }) => memoryMib));
  const forMachines = promised === 0 ? host.memoryMib : Math.floor(host.memoryMib * (1 - HOST_SHARE));
  return Math.min(forMachines - promised, host.availableMib - toCome);
}

/** More than there are make no machine faster. */
function cpusOf(cpus: number, { cores }: Host): number {
  return Math.min(cpus, cores);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
