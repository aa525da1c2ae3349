/**
 * Artifacts as a job may use them: those of its own run, whichever job made them. What is finished is whole: its size and checksum
 * were compared with the bytes on this host, and no secret of the run is in it. Source: ACTIONS-CONTRACT §5.5,
 * SECURITY-RELIABILITY A17, A20.
 */
import { createHash } from "node:crypto";
import { dispositionOf, objectionToName } from "./artifact-name.ts";
import { openArtifactStore } from "./artifact-store.ts";
import type { Artifact, RunOfRepository } from "./artifact-store.ts";
import type { SealedBlob } from "./blob-store.ts";
import type { EndpointSurroundings } from "./endpoint.ts";
import { createIndexedBlobs } from "./indexed-blobs.ts";
import type { Caller } from "./job-tokens.ts";
import type { JobClaims } from "./services.ts";
import { objectionToSecretName } from "./upload-check.ts";
import type { UploadCheck } from "./upload-check.ts";

export interface Artifacts extends AsyncDisposable {
  create(caller: Caller, wanted: WantedArtifact): Promise<Created>;
  /** `sha256` in hex, where the client said one. Once it has succeeded, it does so again for the same. */
  finish(caller: Caller, name: string, sizeBytes: number, sha256: string | undefined): Promise<Finished>;
  /** Of the whole run, oldest first. */
  list(caller: Caller): Promise<readonly Artifact[]>;
  /** The newest of this name. */
  find(caller: Caller, name: string): Promise<Artifact | undefined>;
  downloadUrl(caller: Caller, artifact: Artifact): string;
  remove(artifact: Artifact): Promise<void>;
  endJob(caller: Caller): void;
}

export interface WantedArtifact {
  readonly name: string;
  /** Old clients say none, and upload a zip. */
  readonly mimeType: string | undefined;
  readonly expiresAtMs: number | undefined;
}

export type Created =
  | { readonly kind: "created"; readonly uploadUrl: string }
  | { readonly kind: "exists" | "invalid" | "too many"; readonly message: string };

export type Finished =
  | { readonly kind: "finished"; readonly id: number }
  | { readonly kind: "unknown" | "incomplete" | "secret"; readonly message: string };

const MIME_TYPE = /^[\w!#$&^.+-]{1,63}\/[\w!#$&^.+-]{1,63}(?:; ?charset=[\w-]{1,32})?$/;
const DAY_MS = 86_400_000;
/** GitHub's for public repositories; also what is kept where nothing is said. */
const MAX_RETENTION_DAYS = 90;
const MAX_PER_JOB = 500;

export interface ArtifactsOptions extends Pick<EndpointSurroundings, "blobs" | "links" | "stateDir" | "now"> {
  readonly check: UploadCheck;
}

/** The index is opened when it is first needed. */
export function createArtifacts(options: ArtifactsOptions): Artifacts {
  const { blobs, links, now, check } = options;
  const indexed = createIndexedBlobs("artifacts", options, () => openArtifactStore(options));
  const { index: store, idOf } = indexed;
  const list = async ({ claims }: Caller): Promise<readonly Artifact[]> => (await store()).list(runOf(claims));
  const find = async (caller: Caller, name: string): Promise<Artifact | undefined> =>
    (await list(caller)).findLast((artifact) => artifact.name === name);

  return {
    list,
    find,
    async create(caller, { name, mimeType = "application/zip", expiresAtMs }) {
      const { claims } = caller;
      const message =
        objectionToName(name) ??
        (MIME_TYPE.test(mimeType) ? undefined : "the mime type is not valid") ??
        objectionToSecretName(caller, name);
      if (message !== undefined) return { kind: "invalid", message };
      const index = await store();
      if (index.count(caller.id) >= MAX_PER_JOB) {
        return { kind: "too many", message: `a job can have ${MAX_PER_JOB} artifacts` };
      }
      const latestMs = now() + MAX_RETENTION_DAYS * DAY_MS;
      const reservation = index.reserve({
        ...runOf(claims),
        attempt: claims.runAttempt,
        name,
        mimeType,
        owner: caller.id,
        jobBackendId: caller.jobBackendId,
        expiresAtMs: Math.min(expiresAtMs ?? latestMs, latestMs),
      });
      return reservation === undefined
        ? { kind: "exists", message: "an artifact with this name already exists on the workflow run" }
        : { kind: "created", uploadUrl: links.forWriting(idOf(reservation), caller) };
    },

    async finish(caller, name, sizeBytes, sha256) {
      const index = await store();
      const reservation = index.reservation(caller.id, name);
      if (reservation === undefined) {
        const done = await find(caller, name);
        // Its answer may have got lost.
        const isSame = done?.jobBackendId === caller.jobBackendId && done.attempt === caller.claims.runAttempt;
        if (done !== undefined && isSame && done.sizeBytes === sizeBytes && done.sha256 === (sha256 ?? done.sha256)) {
          return { kind: "finished", id: done.id };
        }
        return { kind: "unknown", message: "no such artifact is being created by this job" };
      }
      const blob = idOf(reservation);
      const committedBytes = blobs.committedBytes(blob);
      if (committedBytes !== sizeBytes) {
        const there = committedBytes === undefined ? "nothing" : `${committedBytes} bytes`;
        return { kind: "incomplete", message: `${there} of ${sizeBytes} bytes were uploaded` };
      }
      if (!(await blobs.seal(blob))) return { kind: "incomplete", message: "the artifact is being finished already" };
      const sealed = await blobs.open(blob);
      if (sealed === undefined) throw new Error("a blob that was sealed can be opened");
      const actual = await sha256Of(sealed);
      const refuse = async (kind: "incomplete" | "secret", message: string): Promise<Finished> => {
        // The name is free again: uploading anew is all that can help.
        await indexed.remove(index.remove([reservation.id]));
        return { kind, message };
      };
      if (sha256 !== undefined && sha256 !== actual) {
        return refuse("incomplete", `the uploaded bytes have sha256:${actual}, not sha256:${sha256}`);
      }
      const message = await check(caller, { kind: "artifact", name, blob: sealed });
      if (message !== undefined) return refuse("secret", message);
      return index.finish(reservation.id, { sizeBytes, sha256: actual })
        ? { kind: "finished", id: reservation.id }
        : { kind: "unknown", message: "the artifact was deleted meanwhile" };
    },

    downloadUrl: (caller, artifact) =>
      links.forReading(idOf(artifact), caller, {
        contentType: artifact.mimeType,
        disposition: dispositionOf(artifact),
      }),

    async remove({ id }) {
      await indexed.remove((await store()).remove([id]));
    },

    endJob: indexed.endJob,
    [Symbol.asyncDispose]: () => indexed[Symbol.asyncDispose](),
  };
}

async function sha256Of(blob: SealedBlob): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of blob.read(0, blob.sizeBytes)) hash.update(chunk);
  return hash.digest("hex");
}

function runOf({ repository: { owner, name }, runId }: JobClaims): RunOfRepository {
  return { repository: `${owner}/${name}`.toLowerCase(), runId };
}
