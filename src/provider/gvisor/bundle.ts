/**
 * What a sandbox is made of, as data: an OCI runtime configuration. Pure. The root is an image's tree, shared by all machines
 * and covered by an overlay of the sandbox's own (`runsc.ts`); everything else is mounted. Destinations never change, only
 * sources do: a checkpoint restores into any bundle with the same destinations.
 * Source: OCI runtime-spec config.md; gvisor.dev/docs/user_guide/quick_start/oci.
 */

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options?: readonly string[];
}

export interface Bundle {
  readonly rootfs: string;
  readonly hostname: string;
  /** Limit of each file system that the sandbox has in memory. */
  readonly tmpfsMib: number;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Beside /proc, /sys and /dev. */
  readonly mounts: readonly OciMount[];
}

/** Only what we read again ourselves; the rest is runsc's. */
export interface OciConfig extends Readonly<Record<string, unknown>> {
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly mounts: readonly OciMount[];
}

/** Root inside the sandbox is the guest's own root: these act on gVisor's kernel, not on the host's. */
const GUEST_CAPABILITIES: readonly string[] = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_MKNOD",
  "CAP_NET_ADMIN",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_ADMIN",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
];

/** As on GitHub's machines. */
const OPEN_FILES = 65_536;

/** Content of the bundle's `config.json`. */
export function ociConfig(bundle: Bundle): OciConfig {
  const size = `size=${bundle.tmpfsMib}m`;
  return {
    ociVersion: "1.0.0",
    hostname: bundle.hostname,
    root: { path: bundle.rootfs, readonly: false },
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: bundle.argv,
      env: Object.entries(bundle.env).map(([name, value]) => `${name}=${value}`),
      cwd: "/",
      capabilities: {
        bounding: GUEST_CAPABILITIES,
        effective: GUEST_CAPABILITIES,
        inheritable: GUEST_CAPABILITIES,
        permitted: GUEST_CAPABILITIES,
      },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: OPEN_FILES, hard: OPEN_FILES }],
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
      // Left to runsc it would be root's alone, and Python's multiprocessing would fail for the runner.
      { destination: "/dev/shm", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "mode=1777", size] },
      // runsc would make it as well, half as large as the host's memory.
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "mode=1777", size] },
      ...bundle.mounts,
    ],
    linux: { namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })) },
  };
}

export function readOnlyMount(source: string, destination: string): OciMount {
  return { destination, type: "bind", source, options: ["ro", "rbind"] };
}

/** The directory in which the host listens: the guest may connect to its sockets and make none (`--host-uds=open`). */
export function channelMount(source: string, destination: string): OciMount {
  return { destination, type: "bind", source, options: ["rw", "rbind"] };
}
