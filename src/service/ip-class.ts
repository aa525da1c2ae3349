/**
 * Which kind of place an IP address is, so that a machine cannot use the host to reach what the host can reach and the
 * machine must not: the host itself, its network, a cloud's metadata. An address that carries another inside it (mapped,
 * translated, 6to4) is what it carries. Whatever is not plainly public is not public; addresses for documentation (RFC 5737)
 * count as public, since nothing of a host's is there, and there are networks that answer with them for what they mirror.
 * Source: IANA special-purpose address registries (RFC 6890), SECURITY-RELIABILITY A28.
 */
import { isIPv4, isIPv6 } from "node:net";

/** Closed set; every class but `public` is refused, and its name is shown to the person who reads the refusal. */
export type IpClass =
  | "public"
  | "loopback"
  | "private"
  | "link-local"
  | "metadata"
  | "carrier-grade NAT"
  | "multicast"
  | "reserved";

/** Of an address in its usual written form; what is no such address is `reserved`. */
export function classifyIp(address: string): IpClass {
  if (isIPv4(address)) return classifyV4(parseV4(address));
  // A zone index names an interface of this host.
  if (!isIPv6(address) || address.includes("%")) return "reserved";
  return classifyV6(parseV6(address));
}

/** Two written forms of one address compare equal. */
export function isSameIp(a: string, b: string): boolean {
  if (isIPv4(a) && isIPv4(b)) return parseV4(a) === parseV4(b);
  if (isIPv6(a) && isIPv6(b) && !`${a}${b}`.includes("%")) return parseV6(a) === parseV6(b);
  return false;
}

type Range = readonly [first: bigint, prefixBits: number, ipClass: IpClass];

const V4_RANGES: readonly Range[] = (
  [
    ["168.63.129.16", 32, "metadata"],
    ["169.254.0.0", 16, "link-local"],
    ["0.0.0.0", 8, "reserved"],
    ["10.0.0.0", 8, "private"],
    ["100.64.0.0", 10, "carrier-grade NAT"],
    ["127.0.0.0", 8, "loopback"],
    ["172.16.0.0", 12, "private"],
    ["192.0.0.0", 24, "reserved"],
    ["192.88.99.0", 24, "reserved"],
    ["192.168.0.0", 16, "private"],
    ["198.18.0.0", 15, "private"],
    ["224.0.0.0", 4, "multicast"],
    ["240.0.0.0", 4, "reserved"],
  ] as const
).map(([first, bits, ipClass]) => [parseV4(first), bits, ipClass]);

const V6_RANGES: readonly Range[] = (
  [
    ["::1", 128, "loopback"],
    ["fd00:ec2::254", 128, "metadata"],
    ["fc00::", 7, "private"],
    ["fec0::", 10, "private"],
    ["fe80::", 10, "link-local"],
    ["ff00::", 8, "multicast"],
    ["64:ff9b:1::", 48, "private"],
    ["100::", 64, "reserved"],
    ["2001::", 23, "reserved"],
    ["5f00::", 16, "reserved"],
  ] as const
).map(([first, bits, ipClass]) => [parseV6(first), bits, ipClass]);

/** Where an IPv4 address stands inside an IPv6 one, as bits from the right. */
const CARRIERS: readonly (readonly [first: bigint, prefixBits: number, shift: bigint])[] = (
  [
    ["::ffff:0:0", 96, 0n],
    ["::ffff:0:0:0", 96, 0n],
    ["64:ff9b::", 96, 0n],
    ["::", 96, 0n],
    ["2002::", 16, 80n],
  ] as const
).map(([first, bits, shift]) => [parseV6(first), bits, shift]);

function classifyV4(address: bigint): IpClass {
  // The address that clouds answer on is also link-local; the more telling name wins.
  if (address === METADATA_V4) return "metadata";
  return V4_RANGES.find(([first, bits]) => isWithin(address, first, bits, 32))?.[2] ?? "public";
}

const METADATA_V4 = parseV4("169.254.169.254");

function classifyV6(address: bigint): IpClass {
  const special = V6_RANGES.find(([first, bits]) => isWithin(address, first, bits, 128));
  if (special !== undefined) return special[2];
  const carrier = CARRIERS.find(([first, bits]) => isWithin(address, first, bits, 128));
  if (carrier !== undefined) return classifyV4((address >> carrier[2]) & 0xffff_ffffn);
  // Only 2000::/3 has been given out.
  return address >> 125n === 1n ? "public" : "reserved";
}

function isWithin(address: bigint, first: bigint, prefixBits: number, allBits: number): boolean {
  const shift = BigInt(allBits - prefixBits);
  return address >> shift === first >> shift;
}

function parseV4(address: string): bigint {
  return address.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function parseV6(address: string): bigint {
  const hex = address.replace(/\d+\.\d+\.\d+\.\d+$/, (v4) => {
    const bits = parseV4(v4);
    return `${(bits >> 16n).toString(16)}:${(bits & 0xffffn).toString(16)}`;
  });
  const [left = "", right = ""] = hex.split("::");
  const leftParts = left.split(":").filter(Boolean);
  const rightParts = right.split(":").filter(Boolean);
  const zeros = Array<string>(8 - leftParts.length - rightParts.length).fill("0");
  return [...leftParts, ...zeros, ...rightParts].reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n);
}
