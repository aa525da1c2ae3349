/**
 * What becomes of an upload that holds a secret of its run: it is refused, or kept with a warning in the log of the step. Artifacts and
 * caches alike: both are read by others than the job that made them. Source: SECURITY-RELIABILITY A20.
 */
import { Semaphore } from "../lib/semaphore.ts";
import type { SealedBlob } from "./blob-store.ts";
import type { EndpointSurroundings } from "./endpoint.ts";
import { findSecret } from "./find-secret.ts";
import type { Caller } from "./job-tokens.ts";

export type SecretsInUploads = "refuse" | "warn";

export interface Upload {
  readonly kind: "artifact" | "cache";
  /** Of printable characters. */
  readonly name: string;
  readonly blob: SealedBlob;
}

/** Why the upload is not to be kept, in one line for the log of the step; undefined: it is. Throws what reading the blob throws. */
export type UploadCheck = (caller: Pick<Caller, "startScan">, upload: Upload) => Promise<string | undefined>;

/** One takes a processor; and a directory of 200,000 entries is held in memory while its archive is searched. */
const MAX_SEARCHES = 2;
const MAX_SHOWN_CHARS = 200;

export function createUploadCheck(
  { onApi }: Pick<EndpointSurroundings, "onApi">,
  secretsInUploads: SecretsInUploads,
): UploadCheck {
  const places = new Semaphore(MAX_SEARCHES);
  const say = (text: string): void => onApi?.({ kind: "line", text });
  return async ({ startScan }, { kind, name, blob }) => {
    using held = await places.acquire();
    const search = await findSecret(blob, startScan);
    if (search.kind === "clean") return undefined;
    const upload = `${kind} ${shown(name)}`;
    if (search.kind === "too large") {
      say(`warning: ${upload} is kept and was not searched for secrets: ${search.message}`);
      return undefined;
    }
    const place = search.path === undefined ? upload : `${shown(search.path)} in ${upload}`;
    const found = `${kind.toUpperCase()}_SECRET: ${place} holds a secret or a token of this run`;
    if (secretsInUploads === "refuse") return `${found}; the ${kind} is not kept`;
    say(`warning: ${found}; the ${kind} is kept, as HEARTH_SECRETS_IN_UPLOADS says`);
    return undefined;
  };
}

/** Names are shown to everybody who lists uploads, so one that holds a secret is refused whatever becomes of contents. */
export function objectionToSecretName({ startScan }: Pick<Caller, "startScan">, name: string): string | undefined {
  return startScan()(Buffer.from(name)) ? "its name holds a secret or a token of this run" : undefined;
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, MAX_SHOWN_CHARS)).replaceAll(/\p{C}/gu, "?");
}
