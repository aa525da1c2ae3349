/**
 * Entry of the agent inside a machine; bundled into one file. Finds its way to the host by itself: the unix sockets named in
 * HEARTH_AGENT_SOCKET and HEARTH_EGRESS_SOCKET (gVisor), else the virtio-serial ports `agent` and `egress` (QEMU, Firecracker).
 * Each open virtio port keeps one thread of libuv's pool in a blocking read, so whoever starts this sets UV_THREADPOOL_SIZE to 8.
 * Any error that nobody expected ends the agent with a stack on the console; the host sees a lost machine.
 */
import { openSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import type { Duplex } from "node:stream";
import { INPUT_DEVICE } from "../protocol/input-device.ts";
import { accountEnvironment, findAccount } from "./account.ts";
import type { Account } from "./account.ts";
import { serveAgent } from "./serve-agent.ts";
import type { AgentOptions } from "./agent.ts";
import { dialHost } from "./dial-host.ts";
import { DOORS, Uplink, openDoor, restoreAddresses } from "./egress.ts";
import { acceptHosts, findVirtioPort } from "./virtio-port.ts";

/** The agent lives as long as its machine. */
const FOREVER = new AbortController().signal;

const toAgent = transport("agent", process.env["HEARTH_AGENT_SOCKET"]);
const toEgress = transport("egress", process.env["HEARTH_EGRESS_SOCKET"]);
if (toAgent === undefined) throw new Error("no way to the host: neither HEARTH_AGENT_SOCKET nor a virtio port `agent`");

const options = agentOptions();
if (toEgress !== undefined) {
  const uplink = new Uplink();
  void toEgress((stream) => uplink.carry(stream));
  // Open before the host is answered: its first step may need them.
  for (const door of DOORS) await openDoor(door, uplink);
}
await toAgent(async (stream) => {
  // A host that comes anew to a sandbox may be that of a copy of it.
  if (process.env["HEARTH_AGENT_SOCKET"] !== undefined && toEgress !== undefined) await restoreAddresses();
  await serveAgent(stream, options);
});

type Transport = (serve: (session: Duplex) => Promise<void>) => Promise<void>;

function transport(name: string, socket: string | undefined): Transport | undefined {
  if (socket !== undefined) return (serve) => dialHost(socket, serve, FOREVER);
  const port = findVirtioPort(name);
  if (port === undefined) return undefined;
  return (serve) => acceptHosts(openSync(port, "r+"), (session) => void serve(session), FOREVER);
}

function agentOptions(): AgentOptions {
  const isRoot = process.getuid?.() === 0;
  const account = isRoot ? findAccount(readFileSync("/etc/passwd", "utf8"), "runner") : ownAccount();
  if (account === undefined) throw new Error("no user `runner` in /etc/passwd");
  return {
    // The kernel makes it up when it is first read. Nobody may read it before a host asks: copies of this machine are to differ.
    // And random numbers are the kernel's alone, because copies share the state of this process.
    get bootId() {
      return textOf("/proc/sys/kernel/random/boot_id") ?? "";
    },
    env: accountEnvironment(account, textOf("/etc/environment") ?? ""),
    runner: isRoot ? account : undefined,
    resetWithin: undefined,
    inputDevice: INPUT_DEVICE,
  };
}

function ownAccount(): Account {
  const { username, uid, gid, homedir } = userInfo();
  return { name: username, uid, gid, home: homedir };
}

/** A small image may have no /etc/environment. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
