/**
 * One encrypted object: AES-256-GCM, a new nonce each time. What it is (`what`) is authenticated with it, so that no object can be put in
 * the place of another. Layout: nonce (12 bytes), ciphertext, tag (16).
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEAL_BYTES = NONCE_BYTES + TAG_BYTES;
export const NAME_BYTES = 16;

/** Each of its own use, none the key itself, which encrypts secrets elsewhere. */
export interface CheckpointKeys {
  readonly objects: Buffer;
  readonly names: Buffer;
  /** Of `cutPages`. */
  readonly seed: number;
}

export function deriveKeys(key: Buffer): CheckpointKeys {
  const derive = (use: string): Buffer => Buffer.from(hkdfSync("sha256", key, "", `hearth checkpoint ${use}`, 32));
  return { objects: derive("objects"), names: derive("names"), seed: derive("cuts").readUInt32LE() };
}

export function sealObject(plain: Uint8Array, what: Uint8Array, { objects }: CheckpointKeys): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", objects, nonce, { authTagLength: TAG_BYTES }).setAAD(what);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined where it is another key's, something else, or was changed. */
export function openObject(sealed: Buffer, what: Uint8Array, { objects }: CheckpointKeys): Buffer | undefined {
  if (sealed.length < SEAL_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", objects, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(what)
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
    return plain;
  } catch {
    // Node has one error for all of these.
    return undefined;
  }
}

/** Tells nothing of the content to who has not the key. `NAME_BYTES` long. */
export function nameContent(content: Uint8Array, { names }: CheckpointKeys): Buffer {
  return createHmac("sha256", names).update(content).digest().subarray(0, NAME_BYTES);
}
