/** What Firecracker is told to boot a machine, in the order it asks for: its log, the machine, what it boots, disks, devices, start. */
import { SERIAL_LIMITS_SINCE, isAtLeast } from "./binary.ts";
import type { FirecrackerClient, RateLimiter } from "./client.ts";
import { kernelArguments } from "./kernel-arguments.ts";

export interface BootPlan {
  readonly version: string;
  readonly cpus: number;
  readonly memoryMib: number;
  /** Names in the machine's directory, as everything here. */
  readonly kernel: string;
  readonly initrd: string;
  /** In this order for the guest. */
  readonly disks: readonly { readonly id: string; readonly file: string; readonly writable: boolean }[];
  /** Undefined: no channel. */
  readonly vsock: string | undefined;
  readonly limits: MachineLimits;
}

export interface MachineLimits {
  /** Whether the guest has a serial port: its last words are known then, and it can keep the host's processor busy by talking. */
  readonly console: boolean;
  /** Of each disk; undefined for none. */
  readonly diskMibPerSecond: number | undefined;
  readonly diskOpsPerSecond: number | undefined;
  /** What of the memory the guest gets only when it runs short. */
  readonly balloonMib?: number;
}

/** Every guest has it; each has its socket, which tells them apart. */
const GUEST_CID = 3;
/** A serial port at its real speed sends a tenth of this. What is beyond is dropped. */
const CONSOLE_BYTES_PER_SECOND = 128 << 10;
const SECOND_MS = 1000;
const MIB = 1024 ** 2;

/** Resolves when the guest's processors run. Throws as the client does. */
export async function boot(client: FirecrackerClient, plan: BootPlan): Promise<void> {
  const { version, cpus, memoryMib, kernel, initrd, disks, vsock, limits } = plan;
  await client.putLogger({ level: "Warning", show_level: true });
  await client.putMachineConfig({ vcpu_count: cpus, mem_size_mib: memoryMib, smt: false });
  await client.putBootSource({
    kernel_image_path: kernel,
    initrd_path: initrd,
    boot_args: kernelArguments({ disks: disks.map(({ id }) => id), console: limits.console }),
  });
  for (const { id, file, writable } of disks) {
    await client.putDrive({
      drive_id: id,
      path_on_host: file,
      is_root_device: false,
      is_read_only: !writable,
      // Never waits for the host's disk: what a machine has written dies with it.
      cache_type: "Unsafe",
      ...rateLimiter(limits),
    });
  }
  if (vsock !== undefined) await client.putVsock({ guest_cid: GUEST_CID, uds_path: vsock });
  await client.putEntropy();
  // Also where it is empty: the host can ask for memory back, and a guest that runs short gets it again.
  await client.putBalloon({ amount_mib: limits.balloonMib ?? 0, deflate_on_oom: true });
  if (limits.console && isAtLeast(version, SERIAL_LIMITS_SINCE)) {
    await client.putSerial({ rate_limiter: { size: CONSOLE_BYTES_PER_SECOND, refill_time: SECOND_MS } });
  }
  await client.start();
}

function rateLimiter({ diskMibPerSecond, diskOpsPerSecond }: MachineLimits): { rate_limiter?: RateLimiter } {
  if (diskMibPerSecond === undefined && diskOpsPerSecond === undefined) return {};
  return {
    rate_limiter: {
      ...(diskMibPerSecond === undefined
        ? {}
        : { bandwidth: { size: diskMibPerSecond * MIB, refill_time: SECOND_MS } }),
      ...(diskOpsPerSecond === undefined ? {} : { ops: { size: diskOpsPerSecond, refill_time: SECOND_MS } }),
    },
  };
}
