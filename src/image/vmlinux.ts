/**
 * Takes the ELF kernel out of a bzImage: Firecracker boots nothing else, and QEMU reaches it a quarter of a second sooner, as the
 * guest need not unpack it. Fields as in the kernel's "The Linux/x86 Boot Protocol".
 */
import { compressionOf, decompress } from "./decompress.ts";

const SETUP_SECTORS = 0x1f1;
const HEADER_MAGIC = 0x202;
const PROTOCOL_VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
/** A kernel is some 50 MB; what says it is larger than this is not one. */
const MAX_VMLINUX_BYTES = 512 << 20;

/** Throws a plain Error on bytes that are not a bzImage, and SETUP_FAILED when the payload cannot be unpacked. */
export async function extractVmlinux(bzImage: Buffer, signal: AbortSignal): Promise<Buffer> {
  const payload = payloadOf(bzImage);
  const program = compressionOf(payload);
  if (program === undefined) throw new Error(`Kernel payload of an unknown kind: ${payload.toString("hex", 0, 6)}`);
  if (program === "gzip") return asElf(await decompress(program, payload, signal));
  // All but gzip, which has it in its own trailer, are followed by the unpacked size.
  const sizeBytes = payload.readUInt32LE(payload.length - 4);
  if (sizeBytes > MAX_VMLINUX_BYTES) throw new Error(`Kernel payload claims ${sizeBytes} bytes`);
  const vmlinux = await decompress(program, payload.subarray(0, -4), signal);
  if (vmlinux.length !== sizeBytes) throw new Error(`Kernel payload has ${vmlinux.length} bytes, not ${sizeBytes}`);
  return asElf(vmlinux);
}

function payloadOf(bzImage: Buffer): Buffer {
  const isBzImage = bzImage.length > 0x250 && bzImage.toString("latin1", HEADER_MAGIC, HEADER_MAGIC + 4) === "HdrS";
  // The payload's place is in the header since protocol 2.08.
  if (!isBzImage || bzImage.readUInt16LE(PROTOCOL_VERSION) < 0x208) throw new Error("Not a bzImage kernel");
  // Zero means four: so said boot loaders older than the field.
  const setupSectors = bzImage.readUInt8(SETUP_SECTORS) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(PAYLOAD_OFFSET);
  const length = bzImage.readUInt32LE(PAYLOAD_LENGTH);
  if (length < 8 || start + length > bzImage.length) throw new Error("Kernel payload reaches past the end of the file");
  return bzImage.subarray(start, start + length);
}

function asElf(vmlinux: Buffer): Buffer {
  if (vmlinux.toString("latin1", 0, 4) !== "\x7fELF") throw new Error("Kernel payload is not an ELF file");
  return vmlinux;
}
