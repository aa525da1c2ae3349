/** Artifacts v4 and later, which `actions/upload-artifact` and `download-artifact` speak. Source: ACTIONS-CONTRACT §5.5. */
import { unreachable } from "../lib/unreachable.ts";
import type { Artifacts } from "./artifacts.ts";
import type { Artifact } from "./artifact-store.ts";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import type { Caller } from "./job-tokens.ts";
import {
  ARTIFACT_SERVICE,
  CreateArtifactRequest,
  CreateArtifactResponse,
  DeleteArtifactRequest,
  DeleteArtifactResponse,
  FinalizeArtifactRequest,
  FinalizeArtifactResponse,
  GetSignedArtifactURLRequest,
  GetSignedArtifactURLResponse,
  ListArtifactsRequest,
  ListArtifactsResponse,
} from "./twirp-artifact-messages.ts";
import type { ListedArtifact } from "./twirp-artifact-messages.ts";
import { createTwirpEndpoint, twirpMethod, TwirpError } from "./twirp.ts";

/** Owns `artifacts`. */
export function createArtifactEndpoint(
  artifacts: Artifacts,
  surroundings: Pick<EndpointSurroundings, "tokens">,
): Endpoint {
  const methods = {
    CreateArtifact: createArtifact(artifacts),
    FinalizeArtifact: finalizeArtifact(artifacts),
    ListArtifacts: listArtifacts(artifacts),
    GetSignedArtifactURL: getSignedArtifactUrl(artifacts),
    DeleteArtifact: deleteArtifact(artifacts),
  };
  return {
    ...createTwirpEndpoint(ARTIFACT_SERVICE, methods, surroundings),
    endJob: (job) => artifacts.endJob(job),
    [Symbol.asyncDispose]: () => artifacts[Symbol.asyncDispose](),
  };
}

function createArtifact(artifacts: Artifacts) {
  return twirpMethod(CreateArtifactRequest, CreateArtifactResponse, async (request, caller) => {
    if (!isOwnRun(request, caller)) return otherRun();
    const { name, mimeType, expiresAt } = request;
    const created = await artifacts.create(caller, { name, mimeType, expiresAtMs: expiresAt });
    switch (created.kind) {
      case "created":
        return { ok: true, signedUploadUrl: created.uploadUrl };
      case "exists":
        return new TwirpError("already_exists", created.message);
      case "invalid":
        return new TwirpError("invalid_argument", created.message);
      case "too many":
        // Final, unlike `resource_exhausted`, after which clients try again for a minute.
        return new TwirpError("failed_precondition", created.message);
      default:
        return unreachable(created);
    }
  });
}

function finalizeArtifact(artifacts: Artifacts) {
  return twirpMethod(FinalizeArtifactRequest, FinalizeArtifactResponse, async (request, caller) => {
    if (!isOwnRun(request, caller)) return otherRun();
    const { name, size, hash } = request;
    const sha256 = hash === undefined ? undefined : /^sha256:(?<hex>[0-9a-f]{64})$/i.exec(hash)?.groups?.["hex"];
    if (hash !== undefined && sha256 === undefined) return new TwirpError("invalid_argument", "hash is not a sha256");
    const finished = await artifacts.finish(caller, name, Number(size), sha256?.toLowerCase());
    switch (finished.kind) {
      case "finished":
        return { ok: true, artifactId: BigInt(finished.id) };
      case "unknown":
        return new TwirpError("not_found", finished.message);
      case "incomplete":
      case "secret":
        return new TwirpError("failed_precondition", finished.message);
      default:
        return unreachable(finished);
    }
  });
}

function listArtifacts(artifacts: Artifacts) {
  return twirpMethod(ListArtifactsRequest, ListArtifactsResponse, async (request, caller) => {
    if (!isOwnRun(request, caller)) return otherRun();
    const { nameFilter, idFilter } = request;
    const found = (await artifacts.list(caller)).filter(
      ({ name, id }) => name === (nameFilter ?? name) && BigInt(id) === (idFilter ?? BigInt(id)),
    );
    return { artifacts: found.map((artifact) => listed(artifact, caller)) };
  });
}

function getSignedArtifactUrl(artifacts: Artifacts) {
  const [given, answer] = [GetSignedArtifactURLRequest, GetSignedArtifactURLResponse];
  return twirpMethod(given, answer, async (request, caller) => {
    if (!isOwnRun(request, caller)) return otherRun();
    const artifact = await artifacts.find(caller, request.name);
    return artifact === undefined ? noSuchArtifact() : { signedUrl: artifacts.downloadUrl(caller, artifact) };
  });
}

function deleteArtifact(artifacts: Artifacts) {
  return twirpMethod(DeleteArtifactRequest, DeleteArtifactResponse, async (request, caller) => {
    if (!isOwnRun(request, caller)) return otherRun();
    const artifact = await artifacts.find(caller, request.name);
    if (artifact === undefined) return noSuchArtifact();
    await artifacts.remove(artifact);
    return { ok: true, artifactId: BigInt(artifact.id) };
  });
}

/** It is the token that counts; a client that names another run is told so rather than given something else. */
function isOwnRun(
  { workflowRunBackendId }: { readonly workflowRunBackendId: string },
  { runBackendId }: Caller,
): boolean {
  return workflowRunBackendId === runBackendId;
}

function otherRun(): TwirpError {
  return new TwirpError("not_found", "no such workflow run");
}

function noSuchArtifact(): TwirpError {
  return new TwirpError("not_found", "the run has no such artifact");
}

function listed({ id, name, sizeBytes, createdAtMs, sha256, jobBackendId }: Artifact, caller: Caller): ListedArtifact {
  return {
    workflowRunBackendId: caller.runBackendId,
    workflowJobRunBackendId: jobBackendId,
    databaseId: BigInt(id),
    name,
    size: BigInt(sizeBytes),
    createdAt: createdAtMs,
    digest: `sha256:${sha256}`,
  };
}
