/** What a machine is made of, by name: a state that was saved of one goes on only where all of it is the same. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { cpuModel } from "../../lib/cpu-model.ts";
import type { TemplateParts } from "../../template/template-store.ts";
import { INPUT_DISK_BYTES } from "./input-disk.ts";
import { qemuArguments } from "./qemu-arguments.ts";
import type { MachineRequest } from "./start-machine.ts";

export async function machineParts({ options, spec, prepared }: MachineRequest): Promise<TemplateParts> {
  const { accelerator } = options;
  const { image, kernel, qemuVersion, tools, archives } = prepared;
  const argv = qemuArguments({
    name: "machine",
    accelerator,
    cpus: spec.cpus,
    memoryMib: spec.memoryMib,
    kernel: kernel.vmlinux,
    initrd: undefined,
    memory: undefined,
    start: "boot",
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

/** A disk that was packed anew is another file, whatever it holds. */
async function fileIdentity(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path);
  return `${path} ${ino} ${size} ${mtimeMs}`;
}
