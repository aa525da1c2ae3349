/**
 * The keys that identity tokens of this host are signed with: one file each, named by when it was made, readable by nobody else. The
 * newest signs. An older one stays in the published set for as long as a token of it can live, and for those who have not seen
 * the new set yet. Source: RFC 7517, RFC 7638, RFC 7518 §3.3.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, randomUUID, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { chmod, link, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export interface IdentityKeys {
  /** A JWT. The first one makes a key. */
  sign(claims: object): Promise<string>;
  /** RFC 7517, newest first. */
  publicKeys(): Promise<readonly PublicKey[]>;
  /** Makes a new key, which signs from now on, and forgets those that were replaced long ago. */
  rotate(): Promise<void>;
}

export interface PublicKey {
  readonly kid: string;
  readonly kty: "RSA";
  readonly alg: "RS256";
  readonly use: "sig";
  readonly n: string;
  readonly e: string;
}

export interface IdentityKeysOptions {
  /** Made when it is missing, for this user alone. */
  readonly directory: string;
  /** Wall clock, in ms. */
  readonly now: () => number;
}

const FILE = /^(?<madeAtMs>\d{13})\.pem$/;
const KEEP_REPLACED_MS = 7 * 86_400_000;
const MODULUS_BITS = 2048;

export function openIdentityKeys({ directory, now }: IdentityKeysOptions): IdentityKeys {
  const files = async (): Promise<readonly string[]> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    return (await readdir(directory))
      .filter((name) => FILE.test(name))
      .toSorted()
      .toReversed();
  };
  const read = async (file: string): Promise<SigningKey> => describeKey(await readFile(join(directory, file), "utf8"));
  const current = async (): Promise<SigningKey> => {
    const [newest] = await files();
    return newest === undefined ? read(await makeKey(directory, now())) : read(newest);
  };
  return {
    async sign(claims) {
      const { key, published } = await current();
      const text = [{ typ: "JWT", alg: published.alg, kid: published.kid }, claims]
        .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
        .join(".");
      return `${text}.${sign("RSA-SHA256", Buffer.from(text), key).toString("base64url")}`;
    },
    async publicKeys() {
      await current();
      return Promise.all((await files()).map(async (file) => (await read(file)).published));
    },
    async rotate() {
      const [newest, ...replaced] = await files();
      await makeKey(directory, now());
      // The one that was the newest until now is replaced only now.
      for (const [at, file] of replaced.entries()) {
        const replacedAtMs = Number(FILE.exec(replaced[at - 1] ?? newest ?? "")?.groups?.["madeAtMs"]);
        if (now() - replacedAtMs > KEEP_REPLACED_MS) await rm(join(directory, file));
      }
    },
  };
}

interface SigningKey {
  readonly key: KeyObject;
  readonly published: PublicKey;
}

/** Complete or not there; of two that come at once both make one, and both are published. */
async function makeKey(directory: string, madeAtMs: number): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: MODULUS_BITS });
  const partial = join(directory, `${randomUUID()}.partial`);
  await writeFile(partial, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flag: "wx" });
  try {
    for (let at = madeAtMs; ; at += 1) {
      const file = `${at}.pem`;
      const isMade = await link(partial, join(directory, file)).then(() => true, unlessThere);
      if (isMade) return file;
    }
  } finally {
    await rm(partial);
  }
}

function unlessThere(error: unknown): false {
  if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
  throw error;
}

function describeKey(pem: string): SigningKey {
  const key = createPrivateKey(pem);
  const { n, e } = createPublicKey(key).export({ format: "jwk" });
  if (n === undefined || e === undefined) throw new Error("the key for identity tokens is not RSA");
  // RFC 7638: members in this order, without spaces.
  const kid = createHash("sha256")
    .update(JSON.stringify({ e, kty: "RSA", n }))
    .digest("base64url");
  return { key, published: { kid, kty: "RSA", alg: "RS256", use: "sig", n, e } };
}
