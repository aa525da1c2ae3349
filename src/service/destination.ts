/**
 * From a place that was asked for to the addresses that may be dialled. The name is resolved once, here, and what it resolved to is what
 * is dialled, so an answer that changes between check and use has no effect (SECURITY-RELIABILITY A29, A36).
 *
 * An address that is not public is refused even under an open policy, unless the allow list names that very address and port.
 * `localhost` on the list stands for the loopback addresses (RFC 6761); any other name never speaks for a private address.
 */
import { isIP } from "node:net";
import { classifyIp, isSameIp } from "./ip-class.ts";
import { askPolicy, formatPlace } from "./network-policy.ts";
import type { Place } from "./network-policy.ts";
import type { NetworkPolicy } from "./services.ts";

export type Destination =
  /** `explicit`: an address that is not public, allowed because the list names it. */
  | { readonly kind: "addresses"; readonly addresses: readonly string[]; readonly explicit: boolean }
  | { readonly kind: "refused"; readonly reason: string }
  /** Allowed by name, but the name has no address here. */
  | { readonly kind: "unresolved"; readonly cause: unknown };

/** Rejects when the name cannot be resolved. */
export type Resolve = (host: string) => Promise<readonly string[]>;

export interface Surroundings {
  readonly resolve: Resolve;
  /** Addresses of this host's own interfaces: some are public, and would lead back behind its firewall. */
  readonly ownAddresses: () => readonly string[];
}

export async function findDestination(
  place: Place,
  policy: NetworkPolicy,
  { resolve, ownAddresses }: Surroundings,
): Promise<Destination> {
  if (!askPolicy(policy, place).allowed) {
    return { kind: "refused", reason: `not on the allow list; allow it with ${waysToAllow(place)}` };
  }
  let addresses: readonly string[];
  try {
    addresses = isIP(place.host) === 0 ? await resolve(place.host) : [place.host];
  } catch (cause) {
    return { kind: "unresolved", cause };
  }
  if (addresses.length === 0) return { kind: "unresolved", cause: new Error("the name has no address") };

  const own = ownAddresses();
  const special = addresses.filter((address) => describeSpecial(address, own) !== undefined);
  const refused = special.find((address) => !isExplicit(address, place, policy));
  if (refused === undefined) return { kind: "addresses", addresses, explicit: special.length > 0 };
  const what =
    isIP(place.host) === 0
      ? `it resolves to ${refused}, ${describeSpecial(refused, own)}`
      : `${describeSpecial(refused, own)}`;
  const flag = `--allow-host ${formatPlace({ host: refused, port: place.port })}`;
  return { kind: "refused", reason: `${what}; allow it with ${flag}` };
}

/** The flag; and the line for `hearth.yml`, which takes names alone and waits for the operator's word. */
function waysToAllow(place: Place): string {
  const written = formatPlace(place);
  const flag = `--allow-host ${written}`;
  if (isIP(place.host) !== 0 || !place.host.includes(".")) return flag;
  return `${flag}, or in hearth.yml: network: { allow: ['${written}'] } with --network repository`;
}

function describeSpecial(address: string, own: readonly string[]): string | undefined {
  const ipClass = classifyIp(address);
  if (ipClass !== "public") return `a ${ipClass} address`;
  return own.some((one) => isSameIp(one, address)) ? "an address of this host" : undefined;
}

function isExplicit(address: string, place: Place, policy: NetworkPolicy): boolean {
  if (isNamed(policy, { host: address, port: place.port })) return true;
  const isLocalhost = place.host === "localhost" || place.host.endsWith(".localhost");
  return isLocalhost && classifyIp(address) === "loopback" && isNamed(policy, place);
}

function isNamed(policy: NetworkPolicy, place: Place): boolean {
  const answer = askPolicy(policy, place);
  return answer.allowed && answer.named;
}
