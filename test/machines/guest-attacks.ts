/**
 * What hostile work tries from inside a machine (SECURITY-RELIABILITY A28, A33), as scripts for any guest with Node and Python,
 * and what must come of it. Each takes the machine's agent; each scan has something on the host that it would find.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import type { AgentClient } from "../../src/protocol/agent-client.ts";

/** The proxy and the services, in the guest itself. */
export const OWN_DOORS = ["10.77.0.1:9009", "127.0.0.1:3128"];

/** Of a computer that runs things: remote access, web, databases, containers, what clouds give to their machines. */
const PORTS = [
  22, 23, 25, 53, 80, 111, 139, 443, 445, 2049, 2375, 3000, 3306, 5432, 6379, 8080, 8443, 9200, 10250, 27017,
];

/** Metadata services, gateways of usual home, cloud, container and user-mode networks, resolvers, and IPv6 in its forms. */
const ELSEWHERE = [
  "169.254.169.254",
  "fd00:ec2::254",
  "100.100.100.200",
  "192.168.0.1",
  "192.168.1.1",
  "192.168.122.1",
  "172.17.0.1",
  "10.0.0.1",
  "10.0.2.2",
  "10.0.2.3",
  "8.8.8.8",
  "2001:4860:4860::8888",
  "fe80::1",
  "ff02::1",
  "::ffff:127.0.0.1",
];

/** Servers on every address of this host, by which a hole would be seen: the numbers of their ports, and what came in by UDP. */
export interface HostListeners extends AsyncDisposable {
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly heard: readonly string[];
}

export async function hostListeners(): Promise<HostListeners> {
  const heard: string[] = [];
  const tcp = createServer((socket) => {
    heard.push(`tcp from ${socket.remoteAddress ?? ""}`);
    socket.destroy();
  });
  tcp.listen(0, "::");
  await once(tcp, "listening");
  const udp = createSocket("udp6", (message, { address }) => heard.push(`udp from ${address}: ${message.toString()}`));
  udp.bind(0, "::");
  await once(udp, "listening");
  const bound = tcp.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return {
    tcpPort: bound.port,
    udpPort: udp.address().port,
    heard,
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
      await once(tcp, "close");
    },
  };
}

/**
 * What the guest reaches by TCP, as `address:port`, sorted. `127.0.0.1` and `::1` are the guest's own. `timeoutMs`: what takes
 * longer counts as closed.
 */
export async function openPlaces(
  agent: AgentClient,
  { tcpPort }: HostListeners,
  timeoutMs = 700,
): Promise<readonly string[]> {
  const addresses = [...new Set([...hostAddresses(), ...ELSEWHERE, "127.0.0.1", "::1", "10.77.0.1"])];
  const ports = [...PORTS, 3128, 9009, tcpPort];
  return lines(await nodeScript(agent, CONNECT_SCAN, { addresses, ports, timeoutMs }));
}

/** Sends a datagram to the host and to resolvers, and asks these for a name; gives what came back. */
export async function datagramAnswers(agent: AgentClient, { udpPort }: HostListeners): Promise<readonly string[]> {
  const places = [...hostAddresses(), "255.255.255.255"].map((address) => [address, udpPort]);
  const resolvers = ["8.8.8.8", "1.1.1.1", "169.254.169.253", ...hostAddresses()].map((address) => [address, 53]);
  return lines(await nodeScript(agent, DATAGRAMS, { places: [...places, ...resolvers] }));
}

/** Ways past the transport protocols that root in the guest has; gives those by which a packet could be sent outward. */
export async function rawSends(agent: AgentClient): Promise<readonly string[]> {
  const target = hostAddresses().find((address) => address.includes(".")) ?? "192.168.0.1";
  return lines(await asRoot(agent, ["python3", "-c", RAW_SENDS, target]));
}

/** Names of the guest's network interfaces. */
export async function interfaces(agent: AgentClient): Promise<readonly string[]> {
  const script = "print('\\n'.join(name for _, name in __import__('socket').if_nameindex()))";
  return lines(await asRoot(agent, ["python3", "-c", script]));
}

/** Writes `canary` into every directory that root can write, and into some files; gives how many directories those were. */
export async function plantCanaries(agent: AgentClient, canary: string): Promise<number> {
  return Number(await asRoot(agent, ["python3", "-c", PLANT, canary]));
}

/** Paths of what was planted. */
export async function findCanaries(agent: AgentClient, canary: string): Promise<readonly string[]> {
  return lines(await asRoot(agent, ["python3", "-c", FIND, canary]));
}

/** Of this computer, but for what every computer has. */
function hostAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return all.filter(({ internal }) => !internal).map(({ address }) => address);
}

const CONNECT_SCAN = `
const { addresses, ports, timeoutMs } = given;
const found = [];
const all = addresses.flatMap((host) => ports.map((port) => ({ host, port })));
const next = async () => {
  for (let place = all.pop(); place; place = all.pop()) {
    const { host, port } = place;
    await new Promise((done) => {
      const socket = require("node:net").connect({ host, port, timeout: timeoutMs });
      const end = () => { socket.destroy(); done(); };
      socket.once("connect", () => { found.push(host + ":" + port); end(); });
      socket.once("error", end).once("timeout", end);
    });
  }
};
Promise.all(Array.from({ length: 64 }, next)).then(() => console.log(found.sort().join("\\n")));
`;

const DATAGRAMS = `
const question = Buffer.from("123401000001000000000000076578616d706c6503636f6d0000010001", "hex");
const found = [];
for (const [host, port] of given.places) {
  const socket = require("node:dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.on("error", () => undefined);
  socket.on("message", (_, { address }) => found.push("answer from " + address));
  socket.bind(0, () => {
    try { socket.setBroadcast(true); } catch {}
    socket.send(question, port, host, () => undefined);
  });
}
setTimeout(() => { console.log(found.join("\\n")); process.exit(); }, 2000);
`;

const RAW_SENDS = `
import socket, struct, sys
echo = struct.pack("!BBHHH", 8, 0, 0xf7ff, 0, 0)
def icmp(address):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.settimeout(1); s.sendto(echo, (address, 0)); s.recvfrom(64)
def icmp6():
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58) as s:
        s.settimeout(1); s.sendto(b"\\x80\\0\\0\\0\\0\\0\\0\\0", ("ff02::1", 0)); s.recvfrom(64)
def arp():
    for _, name in socket.if_nameindex():
        if name != "lo":
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
                s.bind((name, 0)); s.send(b"\\xff" * 6 + b"\\2\\0\\0\\0\\0\\1" + b"\\x08\\x06" + b"\\0" * 46); return
    raise OSError("no interface")
def vsock():
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as s:
        s.settimeout(1); s.connect((2, 22))
for name, act in (("icmp " + sys.argv[1], lambda: icmp(sys.argv[1])), ("icmp 8.8.8.8", lambda: icmp("8.8.8.8")),
                  ("icmp6", icmp6), ("arp", arp), ("vsock", vsock)):
    try:
        act(); print(name)
    except (OSError, AttributeError):
        pass
`;

/** The guest's own kernel's views of itself are no places. */
const WALK = `
import os, sys
canary = sys.argv[1]
appended = ("/etc/passwd", "/etc/hosts", "/etc/environment", "/home/runner/.profile", "/root/.profile")
def directories():
    for place, below, files in os.walk("/"):
        below[:] = [name for name in below if os.path.join(place, name) not in ("/proc", "/sys")]
        yield place, files
`;

const PLANT = `${WALK}
count = 0
for place, _ in directories():
    try:
        with open(os.path.join(place, canary), "w") as file: file.write(canary)
        count += 1
    except OSError: pass
for path in appended:
    try:
        with open(path, "a") as file: file.write("# " + canary)
    except OSError: pass
print(count)
`;

const FIND = `${WALK}
for place, files in directories():
    for name in files:
        if canary in name: print(os.path.join(place, name))
for path in appended:
    try:
        if canary in open(path).read(): print(path)
    except OSError: pass
`;

async function nodeScript(agent: AgentClient, script: string, given: object): Promise<string> {
  return asRoot(agent, ["node", "--eval", `const given = ${JSON.stringify(given)};\n${script}`]);
}

let commands = 0;

async function asRoot(agent: AgentClient, argv: readonly string[]): Promise<string> {
  const { env } = await agent.ready();
  let output = "";
  let complaint = "";
  const request = {
    id: `attack-${++commands}`,
    argv: [...argv],
    env,
    cwd: "/",
    user: "root" as const,
    write: [],
    read: [],
  };
  const { code, failure } = await agent.exec(request, (stream, chunk) => {
    if (stream === "stdout") output += chunk.toString();
    else complaint += chunk.toString();
  });
  if (code !== 0) throw new Error(`${argv[0] ?? ""} exited with ${String(code)}: ${failure ?? complaint}`);
  return output;
}

function lines(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
