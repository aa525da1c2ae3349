/** Messages of `github.actions.results.api.v1.ArtifactService`. Source: ACTIONS-CONTRACT §5.5. */
import { flag, int32, int64, int64Value, messages, text, textValue, timestampMs } from "./protobuf-fields.ts";
import { message } from "./protobuf-message.ts";
import type { MessageOf } from "./protobuf-message.ts";

export const ARTIFACT_SERVICE = "github.actions.results.api.v1.ArtifactService";

/** Every request begins so. Both are in the token too, which is what counts. */
const job = { workflowRunBackendId: text(1), workflowJobRunBackendId: text(2) };

export const CreateArtifactRequest = message({
  ...job,
  name: text(3),
  expiresAt: timestampMs(4),
  version: int32(5),
  mimeType: textValue(6),
});
export const CreateArtifactResponse = message({ ok: flag(1), signedUploadUrl: text(2) });

export const FinalizeArtifactRequest = message({ ...job, name: text(3), size: int64(4), hash: textValue(5) });
export const FinalizeArtifactResponse = message({ ok: flag(1), artifactId: int64(2) });

export const ListArtifactsRequest = message({ ...job, nameFilter: textValue(3), idFilter: int64Value(4) });
export const ListedArtifact = message({
  ...job,
  databaseId: int64(3),
  name: text(4),
  size: int64(5),
  createdAt: timestampMs(6),
  digest: textValue(7),
});
export type ListedArtifact = MessageOf<typeof ListedArtifact>;
export const ListArtifactsResponse = message({ artifacts: messages(1, ListedArtifact) });

export const GetSignedArtifactURLRequest = message({ ...job, name: text(3) });
export const GetSignedArtifactURLResponse = message({ signedUrl: text(1) });

export const DeleteArtifactRequest = message({ ...job, name: text(3) });
export const DeleteArtifactResponse = message({ ok: flag(1), artifactId: int64(2) });
