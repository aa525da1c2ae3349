/**
 * A commit's files as one archive, in the layout of GitHub's: everything below `<owner>-<name>-<short id>/`. `git archive` makes
 * it, so `export-ignore` holds and submodules are empty. Answered at once rather than by a redirect to another host.
 */
import { pipeline } from "node:stream";
import { createGzip } from "node:zlib";
import type { ApiCall } from "./api-call.ts";
import type { ApiResponse } from "./api-message.ts";
import { notFound } from "./api-message.ts";
import { findCommit } from "./api-revision.ts";
import { reads, route } from "./api-route.ts";
import type { Route } from "./api-route.ts";

export const archiveRoutes: readonly Route[] = (["tarball", "zipball"] as const).flatMap((kind) => [
  route("GET", kind, reads("contents"), (call) => archive(call, kind)),
  route("GET", `${kind}/{ref*}`, reads("contents"), (call) => archive(call, kind)),
]);

async function archive(call: ApiCall, kind: "tarball" | "zipball"): Promise<ApiResponse> {
  const { repository, params } = call;
  const sha = await findCommit(repository, params["ref"] || repository.defaultBranch);
  if (sha === undefined) throw notFound();
  const name = `${repository.owner}-${repository.name}-${sha.slice(0, 7)}`;
  const isTar = kind === "tarball";
  // git's own tar.gz runs gzip by the repository's configuration.
  const packed = repository.git.stream(["archive", `--format=${isTar ? "tar" : "zip"}`, `--prefix=${name}/`, sha]);
  const stream = isTar ? pipeline(packed, createGzip({ level: 1 }), () => undefined) : packed;
  return {
    status: 200,
    headers: { "Content-Disposition": `attachment; filename=${name}.${isTar ? "tar.gz" : "zip"}` },
    content: { kind: "stream", type: isTar ? "application/x-gzip" : "application/zip", stream },
  };
}
