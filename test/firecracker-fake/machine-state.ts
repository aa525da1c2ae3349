/** What Firecracker holds and in which order it takes things: configuration before the start, changes after it. */
import { statSync } from "node:fs";
import { z } from "zod";
import { isAtLeast } from "../../src/provider/firecracker/binary.ts";

export interface Drive {
  readonly drive_id: string;
  readonly path_on_host: string;
  readonly is_read_only: boolean;
}

const DriveBody = z.object({ drive_id: z.string(), path_on_host: z.string(), is_read_only: z.boolean() });
const BootBody = z.object({ kernel_image_path: z.string(), initrd_path: z.string(), boot_args: z.string() });
const MachineBody = z.object({ vcpu_count: z.number(), mem_size_mib: z.number() });
const LoadBody = z.object({
  snapshot_path: z.string(),
  mem_backend: z.object({ backend_path: z.string() }),
  resume_vm: z.boolean(),
  vsock_override: z.optional(z.object({ uds_path: z.string() })),
});
const CreateBody = z.object({ snapshot_path: z.string(), mem_file_path: z.string() });

/** Firecracker's words, with 400. */
export class Refusal extends Error {}

export class MachineState {
  state: "Not started" | "Running" | "Paused" = "Not started";
  machine = { vcpu_count: 1, mem_size_mib: 128 };
  bootSource: z.infer<typeof BootBody> | undefined;
  drives = new Map<string, Drive>();
  vsock: string | undefined;
  #isConfigured = false;
  readonly #version: string;

  constructor(version: string) {
    this.#version = version;
  }

  /** Takes one request; what is to be done in the world is returned. Throws `Refusal`. */
  take(method: string, path: string, body: unknown): Effect {
    const [, resource = "", id = ""] = path.split("/");
    if (method === "GET") return { kind: "answer", value: this.#describe(resource) };
    const isLogger = resource === "logger" || resource === "metrics";
    if (resource === "snapshot") return id === "create" ? this.#create(body) : this.#load(body);
    if (resource === "vm") return this.#setState(body);
    if (resource === "actions") return this.#start();
    if (method === "PATCH") return this.#patch(resource, id, body);
    if (this.state !== "Not started") {
      throw new Refusal("The requested operation is not supported after starting the microVM.");
    }
    if (!isLogger) this.#isConfigured = true;
    this.#configure(resource, id, body);
    return { kind: "none" };
  }

  #describe(resource: string): object {
    if (resource === "version") return { firecracker_version: this.#version };
    return { id: "fake", state: this.state, vmm_version: this.#version, app_name: "Firecracker" };
  }

  #configure(resource: string, id: string, body: unknown): void {
    switch (resource) {
      case "machine-config":
        this.machine = MachineBody.parse(body);
        return;
      case "boot-source":
        this.bootSource = BootBody.parse(body);
        mustHaveContent(this.bootSource.kernel_image_path, "The kernel file cannot be opened");
        mustHaveContent(this.bootSource.initrd_path, "The initrd file cannot be opened");
        return;
      case "drives": {
        const drive = DriveBody.parse(body);
        if (drive.drive_id !== id) throw new Refusal("The id from the path does not match the id from the body!");
        mustHaveContent(drive.path_on_host, "Unable to open the block device");
        this.drives.set(id, drive);
        return;
      }
      case "vsock":
        this.vsock = z.object({ uds_path: z.string() }).parse(body).uds_path;
        return;
      case "serial":
        if (!isAtLeast(this.#version, "1.17")) throw new Refusal("unknown field `rate_limiter`");
    }
  }

  #patch(resource: string, id: string, body: unknown): Effect {
    if (this.state === "Not started") {
      throw new Refusal("The requested operation is not supported before starting the microVM.");
    }
    if (resource !== "drives") return { kind: "none" };
    const path = z.object({ path_on_host: z.optional(z.string()) }).parse(body).path_on_host;
    const drive = this.drives.get(id);
    if (drive === undefined) throw new Refusal(`Invalid block device ID: ${id}`);
    if (path !== undefined) {
      mustHaveContent(path, "Unable to open the block device");
      this.drives.set(id, { ...drive, path_on_host: path });
    }
    return { kind: "none" };
  }

  #start(): Effect {
    if (this.state !== "Not started") {
      throw new Refusal("The requested operation is not supported after starting the microVM.");
    }
    if (this.bootSource === undefined) throw new Refusal("Cannot start microvm without kernel configuration.");
    if (Buffer.byteLength(this.bootSource.boot_args) > 2048)
      throw new Refusal("Command line string overflows guest memory.");
    this.state = "Running";
    return { kind: "start" };
  }

  #setState(body: unknown): Effect {
    if (this.state === "Not started") {
      throw new Refusal("The requested operation is not supported before starting the microVM.");
    }
    const { state } = z.object({ state: z.enum(["Paused", "Resumed"]) }).parse(body);
    this.state = state === "Paused" ? "Paused" : "Running";
    return { kind: state === "Paused" ? "pause" : "resume" };
  }

  #create(body: unknown): Effect {
    if (this.state !== "Paused") throw new Refusal("Cannot create a snapshot of a microVM that is not paused.");
    const drives = [...this.drives.values()];
    return { kind: "save", files: CreateBody.parse(body), content: JSON.stringify({ drives, vsock: this.vsock }) };
  }

  #load(body: unknown): Effect {
    if (this.#isConfigured || this.state !== "Not started") {
      throw new Refusal("Loading a microVM snapshot not allowed after configuring boot-specific resources.");
    }
    const load = LoadBody.parse(body);
    if (load.vsock_override !== undefined && !isAtLeast(this.#version, "1.16")) {
      throw new Refusal("unknown field `vsock_override`");
    }
    mustHaveContent(load.mem_backend.backend_path, "Cannot open the memory file");
    return { kind: "load", file: load.snapshot_path, resumes: load.resume_vm, vsock: load.vsock_override?.uds_path };
  }

  /** What a snapshot's file says. */
  restore(content: string, vsock: string | undefined, resumes: boolean): void {
    const saved = z.object({ drives: z.array(DriveBody), vsock: z.optional(z.string()) }).parse(JSON.parse(content));
    for (const drive of saved.drives) {
      mustHaveContent(drive.path_on_host, "Unable to open the block device");
      this.drives.set(drive.drive_id, drive);
    }
    this.vsock = vsock ?? saved.vsock;
    this.state = resumes ? "Running" : "Paused";
  }
}

export type Effect =
  | { readonly kind: "none" | "start" | "pause" | "resume" }
  | { readonly kind: "answer"; readonly value: object }
  | {
      readonly kind: "save";
      readonly files: { readonly snapshot_path: string; readonly mem_file_path: string };
      readonly content: string;
    }
  | { readonly kind: "load"; readonly file: string; readonly resumes: boolean; readonly vsock: string | undefined };

function mustHaveContent(path: string, words: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.size === 0) throw new Refusal(`${words}: ${path}`);
}
