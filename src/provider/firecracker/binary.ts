/**
 * The Firecracker that a person has downloaded and registered (`setup/firecracker.ts`), and its jailer. Beside the copies below
 * `<dataDir>/bin` stands what they were when they were shown to run: their digests are looked at before each use.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { literal, object, optional, safeParse, string } from "zod/mini";
import type { infer as Infer } from "zod/mini";

const Binary = object({ sha256: string(), version: string() });
export const Registration = object({ format: literal(1), firecracker: Binary, jailer: optional(Binary) });
export type Registration = Infer<typeof Registration>;

export interface Binaries {
  readonly firecracker: string;
  /** Undefined where none was registered. */
  readonly jailer: string | undefined;
  /** Such as `1.16.1`. */
  readonly version: string;
  readonly sha256: string;
}

export type FoundBinaries =
  | { readonly ok: true; readonly binaries: Binaries }
  | { readonly ok: false; readonly reason: string; readonly fix: string };

/** Drives, vsock and ACPI as we use them; older ones are out of support. */
const OLDEST = "1.10";
/** Older ones refuse the whole request. */
export const SERIAL_LIMITS_SINCE = "1.17";
export const VSOCK_OVERRIDE_SINCE = "1.16";
export const RELEASES = "https://github.com/firecracker-microvm/firecracker/releases";
export const REGISTER = `hearth setup firecracker --binary PATH --jailer PATH, both of one release from ${RELEASES}`;

/** Where a registered binary stands. Firecracker's own file name must contain `firecracker`: the jailer insists. */
export function binaryPath(dataDir: string, name: "firecracker" | "jailer"): string {
  return join(dataDir, "bin", name);
}

export function registrationPath(dataDir: string): string {
  return join(dataDir, "bin", "firecracker.json");
}

/** Reads a few MiB where something is registered, one small file where nothing is. */
export async function findBinaries(dataDir: string): Promise<FoundBinaries> {
  const registration = await readRegistration(dataDir);
  if (registration === undefined) return { ok: false, reason: "Firecracker is not registered", fix: REGISTER };
  const { firecracker, jailer } = registration;
  for (const name of ["firecracker", "jailer"] as const) {
    const expected = registration[name]?.sha256;
    if (expected !== undefined && (await digestOf(binaryPath(dataDir, name))) !== expected) {
      const reason = `${binaryPath(dataDir, name)} is not what was registered: its SHA-256 is another`;
      return { ok: false, reason, fix: REGISTER };
    }
  }
  if (!isAtLeast(firecracker.version, OLDEST)) {
    return { ok: false, reason: `Firecracker ${firecracker.version} is older than ${OLDEST}`, fix: REGISTER };
  }
  return {
    ok: true,
    binaries: {
      firecracker: binaryPath(dataDir, "firecracker"),
      jailer: jailer === undefined ? undefined : binaryPath(dataDir, "jailer"),
      version: firecracker.version,
      sha256: firecracker.sha256,
    },
  };
}

export function isAtLeast(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldMajor = 0, oldMinor = 0] = oldest.split(".").map(Number);
  return major > oldMajor || (major === oldMajor && minor >= oldMinor);
}

/** Undefined when the file is not there. */
export async function digestOf(path: string): Promise<string | undefined> {
  const content = await readIfThere(path);
  return content && createHash("sha256").update(content).digest("hex");
}

async function readRegistration(dataDir: string): Promise<Registration | undefined> {
  const text = (await readIfThere(registrationPath(dataDir)))?.toString("utf8");
  if (text === undefined) return undefined;
  try {
    const parsed = safeParse(Registration, JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    // Damaged: registering anew writes it anew.
    return undefined;
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined;
    throw error;
  }
}
