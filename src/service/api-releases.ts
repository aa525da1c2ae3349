/** Releases and their assets, which are kept in memory while the run lasts. Source: GitHub REST "Releases", "Release assets". */
import { createHash } from "node:crypto";
import { bodyOf, flagIn, picked, requiredText, shown, textIn } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, param, timeOf } from "./api-call.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, bytes, invalid, json, noContent, notFound } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { findCommit, findObjects, isObjectId, isRefName } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, BOT, htmlOf, nodeId } from "./api-shape.ts";
import type { Entry } from "./api-state.ts";

const READS = reads("contents");
const WRITES = writes("contents");

export const releaseRoutes: readonly Route[] = [
  route("GET", "releases", READS, (call) => {
    const releases = call.world.state.releases.all().toReversed();
    return paged(call, releases, (part) => part.map((one) => releaseShape(call, one)));
  }),
  route("POST", "releases", WRITES, createRelease),
  route("POST", "releases/generate-notes", WRITES, (call) => {
    const tag = requiredText(bodyOf(call.request), "tag_name", "Release");
    return json({ name: tag, body: `**Full Changelog**: ${htmlOf(call.repository)}/commits/${tag}` });
  }),
  route("GET", "releases/latest", READS, (call) => json(releaseShape(call, latestRelease(call)))),
  route("GET", "releases/tags/{tag*}", READS, (call) =>
    json(releaseShape(call, releaseOfTag(call, param(call, "tag")))),
  ),
  route("GET", "releases/assets/{id}", READS, getAsset),
  route("PATCH", "releases/assets/{id}", WRITES, (call) => {
    const fields = picked(bodyOf(call.request), ["name", "label", "state"]);
    return json(assetShape(call, call.world.state.assets.change(assetOf(call).id, fields)));
  }),
  route("DELETE", "releases/assets/{id}", WRITES, (call) => {
    removeAsset(call, assetOf(call));
    return noContent;
  }),
  route("GET", "releases/{id}", READS, (call) => json(releaseShape(call, releaseOf(call)))),
  route("PATCH", "releases/{id}", WRITES, updateRelease),
  route("DELETE", "releases/{id}", WRITES, (call) => {
    const { id } = releaseOf(call);
    for (const asset of call.world.state.assets.of(String(id))) removeAsset(call, asset);
    call.world.state.releases.remove(id);
    return noContent;
  }),
  route("GET", "releases/{id}/assets", READS, (call) =>
    paged(call, call.world.state.assets.of(String(releaseOf(call).id)), (part) =>
      part.map((one) => assetShape(call, one)),
    ),
  ),
  route("POST", "releases/{id}/assets", WRITES, uploadAsset),
];

const RELEASE_FIELDS = ["name", "body", "draft", "prerelease", "target_commitish"];

function releaseOf(call: ApiCall): Entry {
  return call.world.state.releases.need(numberParam(call, "id"));
}

function latestRelease({ world }: ApiCall): Entry {
  const latest = world.state.releases
    .all()
    .findLast(({ fields }) => fields["draft"] !== true && fields["prerelease"] !== true);
  if (latest === undefined) throw notFound();
  return latest;
}

function releaseOfTag({ world }: ApiCall, tag: string): Entry {
  const found = world.state.releases
    .all()
    .findLast(({ fields }) => fields["tag_name"] === tag && fields["draft"] !== true);
  if (found === undefined) throw notFound();
  return found;
}

async function createRelease(call: ApiCall): Promise<ApiResponse> {
  const { repository, request, world } = call;
  const body = bodyOf(request);
  const tag = requiredText(body, "tag_name", "Release");
  if (!isRefName(`refs/tags/${tag}`)) throw invalid("Release", "tag_name", "custom");
  const isTaken = world.state.releases.all().some(({ fields }) => fields["tag_name"] === tag);
  if (isTaken) throw invalid("Release", "tag_name", "already_exists");
  const at = timeOf(world.now());
  const draft = flagIn(body, "draft", false);
  if (!draft) await ensureTag(call, tag, textIn(body, "target_commitish", "Release") ?? repository.defaultBranch);
  const release = world.state.releases.add("", {
    name: tag,
    body: null,
    prerelease: flagIn(body, "prerelease", false),
    target_commitish: repository.defaultBranch,
    ...picked(body, RELEASE_FIELDS),
    draft,
    tag_name: tag,
    author: BOT,
    created_at: at,
    updated_at: at,
    published_at: draft ? null : at,
  });
  return json(releaseShape(call, release), 201);
}

async function updateRelease(call: ApiCall): Promise<ApiResponse> {
  const release = releaseOf(call);
  const body = bodyOf(call.request);
  const tag = textIn(body, "tag_name", "Release") ?? shown(release.fields["tag_name"]);
  if (!isRefName(`refs/tags/${tag}`)) throw invalid("Release", "tag_name", "custom");
  const at = timeOf(call.world.now());
  const isPublished = body["draft"] === false && release.fields["draft"] === true;
  if (isPublished) {
    await ensureTag(call, tag, shown(body["target_commitish"] ?? release.fields["target_commitish"]));
  }
  const fields = {
    ...picked(body, RELEASE_FIELDS),
    tag_name: tag,
    updated_at: at,
    ...(isPublished ? { published_at: at } : {}),
  };
  return json(releaseShape(call, call.world.state.releases.change(release.id, fields)));
}

/** GitHub makes the tag when a release names one that is not there. */
async function ensureTag({ repository, world }: ApiCall, tag: string, target: string): Promise<void> {
  if ((await findCommit(repository, `refs/tags/${tag}`)) !== undefined) return;
  const made = world.state.refs.get(`refs/tags/${tag}`);
  if (typeof made === "string") return;
  const [object] = isObjectId(target) ? await findObjects(repository, [target]) : [];
  const sha = object?.id ?? (await findCommit(repository, target));
  if (sha === undefined) throw invalid("Release", "target_commitish", "invalid");
  world.state.refs.set(`refs/tags/${tag}`, sha);
}

export function releaseShape(call: ApiCall, { id, fields }: Entry): JsonObject {
  const { repository, world } = call;
  const url = `${apiOf(repository)}/releases/${id}`;
  const tag = shown(fields["tag_name"]);
  const archive = (kind: string): string => `${apiOf(repository)}/${kind}/${tag}`;
  return {
    author: BOT,
    name: tag,
    body: "",
    draft: false,
    prerelease: false,
    immutable: false,
    target_commitish: repository.defaultBranch,
    created_at: world.run.startedAt,
    published_at: world.run.startedAt,
    ...fields,
    url,
    assets_url: `${url}/assets`,
    upload_url: `https://uploads.github.com/repos/${repository.owner}/${repository.name}/releases/${id}/assets{?name,label}`,
    html_url: `${htmlOf(repository)}/releases/tag/${tag}`,
    id,
    node_id: nodeId("RE", id),
    tarball_url: archive("tarball"),
    zipball_url: archive("zipball"),
    assets: world.state.assets.of(String(id)).map((asset) => assetShape(call, asset)),
  };
}

function assetOf(call: ApiCall): Entry {
  return call.world.state.assets.need(numberParam(call, "id"));
}

function removeAsset({ world }: ApiCall, { id }: Entry): void {
  world.state.assets.remove(id);
  world.state.assetBytes.delete(id);
}

function uploadAsset(call: ApiCall): ApiResponse {
  const { request, world } = call;
  const release = String(releaseOf(call).id);
  const name = request.query.get("name") ?? "";
  if (name === "" || /[/\\\0]/.test(name)) throw invalid("ReleaseAsset", "name", "missing_field");
  if (world.state.assets.of(release).some(({ fields }) => fields["name"] === name))
    throw invalid("ReleaseAsset", "name", "already_exists");
  if (request.body.length === 0) throw new ApiProblem(400, "Bad Content-Length: 0");
  world.state.spend(request.body.length);
  const at = timeOf(world.now());
  const asset = world.state.assets.add(release, {
    name,
    label: request.query.get("label") ?? "",
    content_type: /^[\w.+-]+\/[\w.+-]+$/.exec(request.contentType)?.[0] ?? "application/octet-stream",
    state: "uploaded",
    size: request.body.length,
    digest: `sha256:${createHash("sha256").update(request.body).digest("hex")}`,
    download_count: 0,
    created_at: at,
    updated_at: at,
    uploader: BOT,
  });
  world.state.assetBytes.set(asset.id, request.body);
  return json(assetShape(call, asset), 201);
}

/** Its bytes for who accepts bytes. GitHub redirects to another host; here they come at once. */
function getAsset(call: ApiCall): ApiResponse {
  const asset = assetOf(call);
  if (!/\bapplication\/octet-stream\b/.test(call.request.accept)) return json(assetShape(call, asset));
  const content = call.world.state.assetBytes.get(asset.id);
  if (content === undefined) throw notFound();
  return bytes("application/octet-stream", content);
}

function assetShape(call: ApiCall, { id, parent, fields }: Entry): JsonObject {
  const tag = shown(call.world.state.releases.get(Number(parent))?.fields["tag_name"]);
  return {
    url: `${apiOf(call.repository)}/releases/assets/${id}`,
    id,
    node_id: nodeId("RA", id),
    browser_download_url: `${htmlOf(call.repository)}/releases/download/${tag}/${encodeURIComponent(shown(fields["name"]))}`,
    ...fields,
  };
}
