/**
 * Firecracker's API over its unix socket: one method for each call that machines need, with the names and shapes of its OpenAPI
 * description (src/firecracker/swagger/firecracker.yaml there; every request is checked against it in tests). Configuration is
 * accepted before the start, `PATCH` after it, and `loadSnapshot` only by a process that was told nothing but its logger.
 *
 * Firecracker is trusted less than we are: an answer has a bound and a deadline.
 */
import type { IncomingMessage } from "node:http";
import { object, safeParse, string } from "zod/mini";
import type { ZodMiniType } from "zod/mini";
import { EngineError } from "../../lib/engine-error.ts";

interface TokenBucket {
  /** Bytes or operations. */
  readonly size: number;
  /** Milliseconds in which an empty bucket is full again. */
  readonly refill_time: number;
  readonly one_time_burst?: number;
}

export interface RateLimiter {
  readonly bandwidth?: TokenBucket;
  readonly ops?: TokenBucket;
}

export interface MachineConfig {
  readonly vcpu_count: number;
  readonly mem_size_mib: number;
  readonly smt?: boolean;
  readonly track_dirty_pages?: boolean;
}

export interface BootSource {
  readonly kernel_image_path: string;
  readonly initrd_path: string;
  readonly boot_args: string;
}

export interface Drive {
  readonly drive_id: string;
  readonly path_on_host: string;
  readonly is_root_device: boolean;
  readonly is_read_only: boolean;
  readonly cache_type?: "Unsafe" | "Writeback";
  readonly io_engine?: "Sync" | "Async";
  readonly rate_limiter?: RateLimiter;
}

export interface DrivePatch {
  readonly drive_id: string;
  readonly path_on_host?: string;
  readonly rate_limiter?: RateLimiter;
}

export interface Vsock {
  readonly guest_cid: number;
  readonly uds_path: string;
}

export interface Balloon {
  readonly amount_mib: number;
  readonly deflate_on_oom: boolean;
  readonly stats_polling_interval_s?: number;
}

export interface Serial {
  readonly serial_out_path?: string;
  readonly rate_limiter?: TokenBucket;
}

export interface Logger {
  readonly level: "Error" | "Warning" | "Info" | "Debug" | "Trace" | "Off";
  readonly log_path?: string;
  readonly show_level?: boolean;
}

export interface SnapshotFiles {
  readonly snapshot_path: string;
  readonly mem_file_path: string;
}

export interface SnapshotLoad {
  readonly snapshot_path: string;
  readonly mem_backend: { readonly backend_type: "File"; readonly backend_path: string };
  readonly resume_vm: boolean;
  /** Since 1.16; older versions refuse the whole request. */
  readonly vsock_override?: { readonly uds_path: string };
}

const Version = object({ firecracker_version: string() });
const Instance = object({ id: string(), state: string(), vmm_version: string() });
const Fault = object({ fault_message: string() });

const MAX_ANSWER_BYTES = 1 << 20;
/** A snapshot of 32 GiB to a slow disk takes minutes; everything else milliseconds. */
const DEADLINE_MS = 10_000;
const SNAPSHOT_DEADLINE_MS = 600_000;

/** Calls throw MACHINE_START_FAILED with Firecracker's own words when it refuses, MACHINE_LOST when it does not answer. */
export class FirecrackerClient {
  readonly #socketPath: string;
  readonly #deadlineMs: number;

  constructor(socketPath: string, { deadlineMs = DEADLINE_MS }: { readonly deadlineMs?: number } = {}) {
    this.#socketPath = socketPath;
    this.#deadlineMs = deadlineMs;
  }

  /** Such as `1.16.1`. */
  async version(): Promise<string> {
    return (await this.#get("/version", Version)).firecracker_version;
  }

  /** `state` is `Not started`, `Running` or `Paused`. */
  async describe(): Promise<{ readonly id: string; readonly state: string; readonly vmm_version: string }> {
    return this.#get("/", Instance);
  }

  async putLogger(logger: Logger): Promise<void> {
    await this.#send("PUT", "/logger", logger);
  }

  /** The file must be there already. */
  async putMetrics(metricsPath: string): Promise<void> {
    await this.#send("PUT", "/metrics", { metrics_path: metricsPath });
  }

  async putMachineConfig(config: MachineConfig): Promise<void> {
    await this.#send("PUT", "/machine-config", config);
  }

  async putBootSource(source: BootSource): Promise<void> {
    await this.#send("PUT", "/boot-source", source);
  }

  /** The guest sees the disks in the order of these calls; the id is between Firecracker and us. */
  async putDrive(drive: Drive): Promise<void> {
    await this.#send("PUT", `/drives/${encodeURIComponent(drive.drive_id)}`, drive);
  }

  async patchDrive(drive: DrivePatch): Promise<void> {
    await this.#send("PATCH", `/drives/${encodeURIComponent(drive.drive_id)}`, drive);
  }

  async putVsock(vsock: Vsock): Promise<void> {
    await this.#send("PUT", "/vsock", vsock);
  }

  async putEntropy(): Promise<void> {
    await this.#send("PUT", "/entropy", {});
  }

  async putBalloon(balloon: Balloon): Promise<void> {
    await this.#send("PUT", "/balloon", balloon);
  }

  async putSerial(serial: Serial): Promise<void> {
    await this.#send("PUT", "/serial", serial);
  }

  async start(): Promise<void> {
    await this.#send("PUT", "/actions", { action_type: "InstanceStart" });
  }

  async setState(state: "Paused" | "Resumed"): Promise<void> {
    await this.#send("PATCH", "/vm", { state });
  }

  /** Of a paused machine. */
  async createSnapshot(files: SnapshotFiles): Promise<void> {
    await this.#send("PUT", "/snapshot/create", { ...files, snapshot_type: "Full" }, SNAPSHOT_DEADLINE_MS);
  }

  async loadSnapshot(load: SnapshotLoad): Promise<void> {
    await this.#send("PUT", "/snapshot/load", load, SNAPSHOT_DEADLINE_MS);
  }

  async #get<T>(path: string, schema: ZodMiniType<T>): Promise<T> {
    const answer = safeParse(schema, parseJson(await this.#send("GET", path)));
    if (answer.success) return answer.data;
    throw new EngineError("MACHINE_START_FAILED", `Firecracker's answer to GET ${path} is not its protocol`);
  }

  async #send(method: string, path: string, body?: object, deadlineMs = this.#deadlineMs): Promise<string> {
    let answer: Answer;
    try {
      answer = await exchange(this.#socketPath, method, path, body, deadlineMs);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError("MACHINE_LOST", `Firecracker did not answer ${method} ${path}: ${why}`, { cause });
    }
    if (answer.status >= 200 && answer.status < 300) return answer.text;
    const fault = safeParse(Fault, parseJson(answer.text));
    const words = fault.success ? fault.data.fault_message : `status ${answer.status}`;
    throw new EngineError("MACHINE_START_FAILED", `Firecracker refused ${method} ${path}: ${words}`);
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function exchange(
  socketPath: string,
  method: string,
  path: string,
  body: object | undefined,
  deadlineMs: number,
): Promise<Answer> {
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers = content === undefined ? {} : { "content-type": "application/json", "content-length": content.length };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  // Costs 20 ms to load, and a host without Firecracker never needs it.
  const { request } = await import("node:http");
  const sent = request({ socketPath, method, path, agent: false, headers: { accept: "application/json", ...headers } });
  const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
  sent.on("error", reject);
  sent.on("response", (response) => void readAnswer(response).then(resolve, reject));
  sent.end(content);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    sent.destroy();
  }
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  let text = "";
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > MAX_ANSWER_BYTES) throw new Error("its answer has no end");
  }
  return { status: response.statusCode ?? 0, text };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not an object, which is what the schema then says.
    return undefined;
  }
}
