/**
 * `network` of `hearth.yml`: hosts that the repository's workflows would like to reach. A wish: it counts only where the operator
 * said `--network repository` (`hearth-settings.ts`), because a stranger's file could otherwise open a way out for whatever its steps read.
 * Even then it names hosts of the public network alone: addresses, `localhost` and names without a dot are this host's and its
 * neighbours', and only the operator can mean them.
 */
import type { Position } from "../lib/diagnostic.ts";
import { fault, readItems, readMembers, textOf } from "./settings-node.ts";
import type { Place, Reader } from "./settings-node.ts";

export interface NetworkWish {
  /** As `--allow-host` takes them. */
  readonly hosts: readonly string[];
  readonly at: Position;
}

export const NO_NETWORK_WISH: NetworkWish = { hosts: [], at: { line: 1, column: 1 } };

const MAX_HOSTS = 256;

export function readNetwork(reader: Reader, place: Place): NetworkWish {
  let hosts: readonly string[] = [];
  readMembers(reader, place, { allow: (value) => (hosts = readHosts(reader, value)) });
  return { hosts, at: place.at };
}

function readHosts(reader: Reader, place: Place): readonly string[] {
  const items = readItems(reader, place);
  if (items.length > MAX_HOSTS) fault(reader, place, `Expected at most ${MAX_HOSTS} hosts`);
  return items.slice(0, MAX_HOSTS).flatMap((item) => {
    const host = textOf(reader, item, "a host");
    if (host === undefined) return [];
    if (isPublicHost(host)) return [host];
    fault(reader, item, "Expected name.domain, name.domain:port or *.name.domain; others only --allow-host can allow");
    return [];
  });
}

/** A name whose last part begins with a letter is no address in any of the ways to write one. */
function isPublicHost(entry: string): boolean {
  const { name, port } = HOST.exec(entry)?.groups ?? {};
  if (name === undefined || name.length > 253 || /\.localhost$/iu.test(name)) return false;
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}

const HOST = /^(?:\*\.)?(?<name>(?:[a-z0-9_][a-z0-9_-]{0,62}\.){1,126}[a-z][a-z0-9-]{0,62})(?::(?<port>\d{1,5}))?$/iu;
