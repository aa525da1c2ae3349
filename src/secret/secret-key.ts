/**
 * The key that secrets are encrypted with: from the file that the operator names, from systemd's credentials, else one of our own beside
 * the state, made when it is first needed and readable by nobody else. Losing it loses the secrets: a backup needs both.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { readFileWithin } from "../lib/read-file-within.ts";

export interface SecretKeyPlaces {
  readonly stateDir: string;
  /** `HEARTH_SECRET_KEY_FILE`. */
  readonly keyFile: string | undefined;
  /** `CREDENTIALS_DIRECTORY`, as systemd sets it for a service with `LoadCredential=hearth-secret-key:…`. */
  readonly credentialsDir: string | undefined;
}

export interface SecretKey {
  /** 32 bytes. */
  readonly bytes: Buffer;
  /** For messages. */
  readonly path: string;
}

const BYTES = 32;
const MAX_FILE_BYTES = 1024;

/** Throws BAD_CONFIG for a file that holds no key, or that others may read. */
export function openSecretKey({ stateDir, keyFile, credentialsDir }: SecretKeyPlaces): SecretKey {
  if (keyFile !== undefined) return readKey(keyFile);
  const credential = credentialsDir === undefined ? undefined : join(credentialsDir, "hearth-secret-key");
  if (credential !== undefined) {
    const found = readIfThere(credential);
    if (found !== undefined) return found;
  }
  const own = join(stateDir, "secret-key");
  return readIfThere(own) ?? makeKey(own);
}

function readIfThere(path: string): SecretKey | undefined {
  try {
    return readKey(path);
  } catch (error) {
    if (error instanceof EngineError && isMissing(error.cause)) return undefined;
    throw error;
  }
}

function readKey(path: string): SecretKey {
  const bad = (reason: string, cause?: unknown): EngineError =>
    new EngineError("BAD_CONFIG", `Cannot use the key of the secrets in ${path}: ${reason}`, {
      cause,
      hint: "A key is 32 random bytes in base64: openssl rand -base64 32, in a file that only you can read.",
    });
  let content: Buffer;
  try {
    content = readFileWithin(path, MAX_FILE_BYTES, undefined);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error), error);
  }
  const text = content.toString("latin1").trim();
  const bytes = /^[A-Za-z0-9+/]{43}=$/.test(text) ? Buffer.from(text, "base64") : undefined;
  if (bytes?.length !== BYTES) throw bad("it holds no key");
  return { bytes, path };
}

/** Complete or not there; of two processes that come at once the first one's is the key. */
function makeKey(path: string): SecretKey {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const partial = `${path}.${randomUUID()}`;
  writeFileSync(partial, `${randomBytes(BYTES).toString("base64")}\n`, { mode: 0o600, flag: "wx", flush: true });
  try {
    linkSync(partial, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    rmSync(partial);
  }
  return readKey(path);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
