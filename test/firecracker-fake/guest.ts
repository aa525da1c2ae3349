/** What stands behind the fake's API: a guest in emulated QEMU, or one that only greets. Both answer on the vsock's socket. */
import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { MachineState } from "./machine-state.ts";

const PORTS: Readonly<Record<string, string>> = { "52": "agent", "53": "egress" };
const RETRY_MS = 5;

export interface FakeGuest {
  /** Whether something listens on the port now, as a guest would accept. */
  accepts(port: string): boolean;
  /** Joins the host's socket to the port. */
  join(port: string, host: Socket): void;
  setState(state: "stop" | "cont"): void;
}

/** As Firecracker does: `CONNECT <port>`, then `OK <port of its own>` or a hang-up. */
export function listenForHosts(path: string, guest: FakeGuest): void {
  createServer((host) => {
    host.on("error", () => undefined);
    let text = "";
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      const line = /^([^\n]*)\n/.exec(text);
      if (line === null) return;
      host.pause().off("data", onData);
      const port = /^CONNECT (\d+)$/.exec(line[1] ?? "")?.[1];
      if (port === undefined || !guest.accepts(port)) {
        host.destroy();
        return;
      }
      host.write(`OK ${1_073_741_824 + Number(port)}\n`);
      const rest = Buffer.from(text.slice(line[0].length), "latin1");
      if (rest.length > 0) host.unshift(rest);
      guest.join(port, host);
    };
    host.on("data", onData);
  }).listen(path);
}

/** Says what a tiny guest of the probe would say, and greets whoever comes. */
export function greetingGuest({ bootSource }: MachineState): FakeGuest {
  const initrd = readFileSync(bootSource?.initrd_path ?? "/dev/null", "latin1");
  const said = /^echo "(hearth: [^"]*)"$/m.exec(initrd)?.[1];
  if (said !== undefined) process.stdout.write(`${said}\n`);
  return {
    accepts: (port) => PORTS[port] !== undefined,
    join(_port, host) {
      host.on("data", (chunk: Buffer) => {
        const nonce = /^HELLO ([0-9a-f]+)\n/.exec(chunk.toString("latin1"))?.[1];
        if (nonce !== undefined) host.write(`OK ${nonce}\n`);
      });
      host.resume();
    },
    setState: () => undefined,
  };
}

/** The fake ends when the guest does, as Firecracker ends when its guest resets the machine. */
export function qemuGuest(machine: MachineState, id: string): FakeGuest {
  const child = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", "--", "qemu-system-x86_64", "-name", `hearth-${id}`, ...qemuArguments(machine)],
    {
      stdio: ["ignore", "inherit", "inherit"],
      env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
    },
  );
  child.once("exit", () => process.exit(0));
  const open = new Set<string>();
  const control = controlOf((name, isOpen) => (isOpen ? open.add(name) : open.delete(name)));
  return {
    accepts: (port) => open.has(PORTS[port] ?? ""),
    join(port, host) {
      const guest = connect(`${PORTS[port]}.port`);
      guest.on("error", () => host.destroy());
      guest.on("close", () => host.destroy());
      host.on("close", () => guest.destroy());
      host.pipe(guest).pipe(host);
    },
    setState: (state) => void control.then((socket) => socket.write(`${JSON.stringify({ execute: state })}\n`)),
  };
}

/** QEMU's control socket; `onPort` is told when the guest opens and closes a port. */
async function controlOf(onPort: (name: string, isOpen: boolean) => void): Promise<Socket> {
  let socket: Socket | undefined;
  while (socket === undefined) {
    const attempt = connect("qmp.sock");
    socket = await new Promise<Socket | undefined>((resolve) => {
      attempt.once("connect", () => resolve(attempt));
      attempt.once("error", () => resolve(undefined));
    });
    if (socket === undefined) await delay(RETRY_MS);
  }
  socket.on("error", () => undefined);
  createInterface({ input: socket }).on("line", (line) => {
    const message: { event?: string; data?: { id?: string; open?: boolean } } = JSON.parse(line);
    if (message.event !== "VSERPORT_CHANGE" || message.data?.id === undefined) return;
    onPort(message.data.id.replace(/^port-/, ""), message.data.open === true);
  });
  socket.write(`${JSON.stringify({ execute: "qmp_capabilities" })}\n`);
  return socket;
}

function port(name: string): string[] {
  return [
    "-chardev",
    `socket,id=${name},path=${name}.port,server=on,wait=off`,
    "-device",
    `virtserialport,chardev=${name},name=${name},id=port-${name}`,
  ];
}

function qemuArguments({ machine, bootSource, drives }: MachineState): string[] {
  if (bootSource === undefined) throw new Error("Nothing to boot");
  return [
    "-M",
    "q35,usb=off,vmport=off",
    "-bios",
    "qboot.rom",
    "-accel",
    "tcg,thread=multi",
    "-cpu",
    "max,-erms,-fsrm,-smap,-smep",
    "-m",
    `${machine.mem_size_mib}M`,
    "-smp",
    String(machine.vcpu_count),
    "-nodefaults",
    "-no-user-config",
    "-nographic",
    "-nic",
    "none",
    "-no-reboot",
    "-serial",
    "stdio",
    "-qmp",
    "unix:qmp.sock,server=on,wait=off",
    "-kernel",
    bootSource.kernel_image_path,
    "-initrd",
    bootSource.initrd_path,
    "-append",
    emulatedCommandLine(bootSource.boot_args),
    "-object",
    "rng-random,id=entropy,filename=/dev/urandom",
    "-device",
    "virtio-rng-pci,rng=entropy",
    ...[...drives.values()].flatMap(({ drive_id, path_on_host, is_read_only }) => [
      "-drive",
      `id=${drive_id},file=${path_on_host},format=raw,if=none,file.locking=off,${is_read_only ? "readonly=on" : "cache=unsafe"}`,
      "-device",
      `virtio-blk-pci,drive=${drive_id},serial=${deviceId(path_on_host)}`,
    ]),
    "-device",
    "virtio-serial-pci",
    ...port("agent"),
    ...port("egress"),
  ];
}

/** What Firecracker shows the guest as a disk's serial number: where the file is, never the drive's id. */
function deviceId(path: string): string {
  const { dev, rdev, ino } = statSync(path);
  return `${dev}${rdev}${ino}`.slice(0, 20);
}

/** The machine that QEMU emulates has PCI and no vsock; the rest stays as it was given. */
function emulatedCommandLine(line: string): string {
  // A busy host lets the guest's timer fail its test at the start.
  const emulated =
    "no_timer_check mitigations=off audit=0 apparmor=0 lsm=capability cryptomgr.notests nokaslr nowatchdog transparent_hugepage=always";
  const words = line.split(" ").filter((word) => !["pci=off", "hearth_channel=vsock", "reboot=k"].includes(word));
  return [...words.map((word) => (word === "hearth_bus=mmio" ? "hearth_bus=pci" : word)), "reboot=t", emulated].join(
    " ",
  );
}
