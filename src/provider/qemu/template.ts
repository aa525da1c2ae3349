/**
 * A template of a machine: booted, warmed, stopped and saved before any run. Its memory is a file that copies map and write
 * over privately; its scratch disk is copied with it, so that files the guest has open stay what they are. No stranger's code has run
 * in it. Source: docs/adr/0019.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chown, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { looseObject, optional, parse, string } from "zod/mini";
import { EngineError } from "../../lib/engine-error.ts";
import { connectAgent } from "../../protocol/connect-agent.ts";
import { untilFixUpWaits } from "../../protocol/fix-up.ts";
import { greetGuest } from "../../protocol/greeting.ts";
import type { Filled, TemplateParts } from "../../template/template-store.ts";
import { INPUT_DISK_BYTES } from "./input-disk.ts";
import { QmpRefusal } from "./qmp.ts";
import { TEMPLATE_FILES } from "./machine-file.ts";
import { qemuArguments } from "./qemu-arguments.ts";
import { MEMORY_STAYS_IN_ITS_FILE, startQemu } from "./qemu-process.ts";
import type { QemuProcess } from "./qemu-process.ts";
import { makeScratchDisk } from "./scratch-disk.ts";
import { START_DEADLINE_MS, machinesDirectory, sameForAll, untilStarted } from "./start-machine.ts";
import type { MachineRequest } from "./start-machine.ts";
import { unnamedFile } from "./unnamed-file.ts";

/** A warmed guest has 200 MB in memory and next to nothing on its disk. */
export const TEMPLATE_ROOM_BYTES = 2 ** 30;

/** The first of a step, of a checkout and of an action: read from the disk once for all copies. */
const WARM_UP = ["bash -e -c true", "git --version", "/opt/externals/node24/bin/node -e 0"];
/** For the agent to have put its session away. */
const SETTLE_MS = 300;
const SAVE_DEADLINE_MS = 60_000;
const POLL_MS = 5;

export async function templateParts({ options, spec, prepared }: MachineRequest): Promise<TemplateParts> {
  const { accelerator } = options;
  const { image, kernel, qemuVersion, tools, archives } = prepared;
  const argv = qemuArguments({
    name: "template",
    accelerator,
    cpus: spec.cpus,
    memoryMib: spec.memoryMib,
    kernel: kernel.vmlinux,
    initrd: undefined,
    memory: undefined,
    start: "template",
    disks: [
      { id: "read", path: "", writable: false },
      { id: "written", path: "", writable: true },
    ],
    ports: [{ name: "port", fd: 0 }],
    controlFd: 0,
  });
  const initrd = createHash("sha256");
  for (const archive of archives) initrd.update(archive);
  return {
    provider: "qemu",
    image: image.digest,
    kernel: kernel.vmlinux,
    qemu: qemuVersion,
    arguments: JSON.stringify(argv),
    cpu: await cpuModel(),
    initrd: initrd.digest("hex"),
    tools: tools === undefined ? "none" : await fileIdentity(tools),
    inputBytes: String(INPUT_DISK_BYTES),
  };
}

/** A state saved on one model of processor does not go on on another. */
async function cpuModel(): Promise<string> {
  const text = await readFile("/proc/cpuinfo", "utf8");
  const wanted = ["model name", "stepping", "microcode", "flags"];
  return wanted.map((name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(text)?.[1] ?? "").join("|");
}

/** A disk that was packed anew is another file, whatever it holds. */
async function fileIdentity(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path);
  return `${path} ${ino} ${size} ${mtimeMs}`;
}

/** Fills a template's directory. Throws what booting throws; a guest that boots and cannot be saved is a value. */
export async function fillTemplate(request: MachineRequest, directory: string): Promise<Filled> {
  const { options, spec, prepared, confinement, signal } = request;
  await using files = new AsyncDisposableStack();
  const [memory, scratch, initrd] = [
    files.use(await makeMemory(join(directory, TEMPLATE_FILES.memory), spec.memoryMib)),
    files.use(await makeScratch(join(directory, TEMPLATE_FILES.scratch), signal)),
    files.use(await unnamedFile(machinesDirectory(options), (path) => writeFile(path, prepared.archives))),
  ];
  // QEMU's while it works in there.
  const place = files.use(await open(directory, "r"));
  for (const file of [memory, initrd, place]) await confinement.give(file);
  await using qemu = startQemu({
    ...(await sameForAll(request, scratch, files)),
    initrd,
    memory: { file: memory, access: "shared" },
    start: "template",
    ports: ["agent", "egress", "fixup"],
    // The state's socket is named from there: a path of a socket may have 107 bytes and no more.
    directory,
  });
  const reason = (await boot(request, qemu)) ?? (await save(request, qemu, place, directory));
  if (reason !== undefined) return { kind: "impossible", reason };
  await qemu[Symbol.asyncDispose]();
  for (const file of [memory, scratch, place]) await file?.chown(process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  return { kind: "made" };
}

async function makeMemory(path: string, memoryMib: number): Promise<FileHandle> {
  const file = await open(path, "wx+", 0o600);
  await file.truncate(memoryMib * 2 ** 20);
  return file;
}

async function makeScratch(path: string, signal: AbortSignal): Promise<FileHandle | undefined> {
  return (await makeScratchDisk(path, signal)) ? await open(path, "r+") : undefined;
}

/** The guest's own reason why its copies could not be set right, if there is one. */
async function boot(request: MachineRequest, qemu: QemuProcess): Promise<string | undefined> {
  const deadlineMs = START_DEADLINE_MS[request.options.accelerator];
  const without = qemu.console.said(/hearth: (no template[^\r\n]*)[\r\n]/);
  let reason: string | undefined;
  const waits = Promise.race([untilFixUpWaits(qemu.port("fixup"), { deadlineMs }), without]).then((said) => {
    reason = said ?? undefined;
  });
  const greeted = greetGuest(qemu.port("agent"), { deadlineMs });
  await untilStarted(
    request,
    qemu,
    Promise.all([greeted, waits]).then(() => undefined),
  );
  return reason;
}

/**
 * Not every image has all of the programs. The agent is not asked for its boot's id: the kernel makes that up when it is first
 * read, and every copy is to have its own.
 */
async function warmUp(qemu: QemuProcess): Promise<void> {
  await using agent = connectAgent(qemu.port("agent"));
  const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/home/runner" };
  for (const [index, command] of WARM_UP.entries()) {
    const request = { id: `warm-up-${index}`, argv: command.split(" "), env, cwd: "/", user: "runner" as const };
    await agent.exec({ ...request, write: [], read: [] }, () => undefined);
  }
}

/** QEMU's own reason why it cannot, if it has one. Throws MACHINE_START_FAILED for what may be otherwise the next time. */
async function save(
  request: MachineRequest,
  qemu: QemuProcess,
  place: FileHandle,
  directory: string,
): Promise<string | undefined> {
  const { signal, confinement } = request;
  const late = AbortSignal.timeout(SAVE_DEADLINE_MS);
  try {
    await warmUp(qemu);
    await delay(SETTLE_MS);
    await using state = await listenForState(place, directory, AbortSignal.any([signal, late]));
    await confinement.give(state.socket);
    return await migrate(qemu, state);
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError("MACHINE_START_FAILED", `Cannot save a template: ${why}`, { cause });
  }
}

/**
 * Everything but the memory, which is in its file already. Saving ends with a stopped machine; one that was stopped before would
 * be saved as stopped, and each copy would have to be told to run.
 */
async function migrate(qemu: QemuProcess, state: StateWriter): Promise<string | undefined> {
  try {
    await qemu.control("migrate-set-capabilities", MEMORY_STAYS_IN_ITS_FILE);
    await qemu.control("migrate", { uri: `unix:${SOCKET}` });
  } catch (error) {
    if (error instanceof QmpRefusal) return `QEMU cannot save it: ${error.message}`;
    throw error;
  }
  await state.written;
  // The stream's end alone does not say that it was whole.
  for (;;) {
    const { status, "error-desc": why } = parse(Migration, await qemu.control("query-migrate"));
    if (status === "completed") return undefined;
    if (status === "failed" || status === "cancelled") throw new Error(why ?? `its state is ${status}`);
    await delay(POLL_MS);
  }
}

const SOCKET = "state.sock";
const Migration = looseObject({ status: string(), "error-desc": optional(string()) });

interface StateWriter extends AsyncDisposable {
  /** Resolves when QEMU has sent all. */
  readonly written: Promise<void>;
  /** The directory's entry, which QEMU has to be let write to. */
  readonly socket: Pick<FileHandle, "chown">;
}

/** A file QEMU cannot be told: it has no way to be given one, and starting a program to write one is forbidden to it. */
async function listenForState(place: FileHandle, directory: string, signal: AbortSignal): Promise<StateWriter> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server: Server = createServer((socket) => {
    const file = createWriteStream(join(directory, TEMPLATE_FILES.state), { mode: 0o600 });
    pipeline(socket, file, { signal }).then(resolve, reject);
  });
  promise.catch(() => undefined);
  signal.addEventListener("abort", () => reject(signal.reason));
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    // By descriptor, as a long path would be cut.
    server.listen(`/proc/self/fd/${place.fd}/${SOCKET}`, listening);
  });
  return {
    written: promise,
    socket: { chown: (uid, gid) => chown(join(directory, SOCKET), uid, gid) },
    [Symbol.asyncDispose]: async () => {
      await new Promise((closed) => server.close(closed));
      await rm(join(directory, SOCKET), { force: true });
    },
  };
}
