/**
 * Refs, and annotated tags. What a job makes of them is the run's own: later requests see it, the repository does not change.
 * Source: GitHub REST "Git references", "Git tags".
 */
import { createHash } from "node:crypto";
import { flagIn, isObject, requiredText, textIn } from "./api-body.ts";
import { bodyOf } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { param, timeOf } from "./api-call.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, json, noContent, notFound } from "./api-message.ts";
import { UNSIGNED } from "./api-commits.ts";
import { paged } from "./api-pages.ts";
import type { GitObject } from "./api-revision.ts";
import { findObjects, findRef, isObjectId, isRefName } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf } from "./api-shape.ts";

const READS = reads("contents");
const WRITES = writes("contents");

export const refRoutes: readonly Route[] = [
  route("GET", "git/ref/{ref*}", READS, getRef),
  route("GET", "git/matching-refs/{ref*}", READS, matchingRefs),
  // What old clients still ask.
  route("GET", "git/refs/{ref*}", READS, getRef),
  route("POST", "git/refs", WRITES, createRef),
  route("PATCH", "git/refs/{ref*}", WRITES, updateRef),
  route("DELETE", "git/refs/{ref*}", WRITES, deleteRef),
  route("POST", "git/tags", WRITES, createTag),
];

interface NamedRef extends GitObject {
  readonly ref: string;
}

function refShape(call: ApiCall, { ref, id, type }: NamedRef): JsonObject {
  const api = apiOf(call.repository);
  return {
    ref,
    node_id: `REF_${id}`,
    url: `${api}/git/${ref.split("/").map(encodeURIComponent).join("/")}`,
    object: { sha: id, type, url: `${api}/git/${type}s/${id}` },
  };
}

/** The path's, which begins with `heads/` or `tags/`. */
async function needRef(call: ApiCall): Promise<NamedRef> {
  const ref = `refs/${param(call, "ref")}`;
  const found = await currentRef(call, ref);
  if (found === undefined) throw notFound();
  return { ref, ...found };
}

async function currentRef(call: ApiCall, ref: string): Promise<GitObject | undefined> {
  const made = call.repository.isOwn ? madeTag(call, call.world.state.refs.get(ref)) : undefined;
  return made ?? (await findRef(call.repository, ref));
}

/** Annotated tags that the run has made are in no repository. */
function madeTag({ world }: ApiCall, sha: string | null | undefined): GitObject | undefined {
  if (sha === null || sha === undefined) return undefined;
  const isMade = world.state.tags.all().some(({ fields }) => fields["sha"] === sha);
  return isMade ? { id: sha, type: "tag", sizeBytes: 0 } : undefined;
}

async function getRef(call: ApiCall): Promise<ApiResponse> {
  return json(refShape(call, await needRef(call)));
}

async function matchingRefs(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  const prefix = `refs/${param(call, "ref")}`;
  const format = "--format=%(objectname) %(objecttype) %(refname)";
  const lines = (await repository.git.read(["for-each-ref", format])).toString().split("\n");
  const found = new Map<string, NamedRef>();
  for (const line of lines) {
    const [id = "", type = "", ref = ""] = line.split(" ");
    if (ref !== "") found.set(ref, { ref, id, type, sizeBytes: 0 });
  }
  for (const ref of repository.refs.keys()) {
    const now = await currentRef(call, ref);
    if (now === undefined) found.delete(ref);
    else found.set(ref, { ref, ...now });
  }
  const matching = [...found.values()]
    .filter(({ ref }) => ref.startsWith(prefix))
    .toSorted((a, b) => (a.ref < b.ref ? -1 : 1));
  return paged(call, matching, (part) => part.map((ref) => refShape(call, ref)));
}

async function createRef(call: ApiCall): Promise<ApiResponse> {
  const body = bodyOf(call.request);
  const ref = requiredText(body, "ref");
  if (!/^refs\/(?:heads|tags)\/./.test(ref) || !isRefName(ref))
    throw new ApiProblem(422, "Reference name must start with 'refs/' and contain at least two slashes.");
  if ((await currentRef(call, ref)) !== undefined) throw new ApiProblem(422, "Reference already exists");
  return json(refShape(call, await setRef(call, ref, requiredText(body, "sha"))), 201);
}

async function updateRef(call: ApiCall): Promise<ApiResponse> {
  const { ref } = await needRef(call);
  const body = bodyOf(call.request);
  flagIn(body, "force", false);
  return json(refShape(call, await setRef(call, ref, requiredText(body, "sha"))));
}

async function setRef(call: ApiCall, ref: string, sha: string): Promise<NamedRef> {
  const [found] = isObjectId(sha) ? [madeTag(call, sha) ?? (await findObjects(call.repository, [sha]))[0]] : [];
  if (found === undefined) throw new ApiProblem(422, "Object does not exist");
  call.world.state.spend(ref.length);
  call.world.state.refs.set(ref, sha);
  return { ref, ...found };
}

async function deleteRef(call: ApiCall): Promise<ApiResponse> {
  const ref = `refs/${param(call, "ref")}`;
  if ((await currentRef(call, ref)) === undefined) throw new ApiProblem(422, "Reference does not exist");
  call.world.state.refs.set(ref, null);
  return noContent;
}

async function createTag(call: ApiCall): Promise<ApiResponse> {
  const { repository, world } = call;
  const body = bodyOf(call.request);
  const [tag, message, object] = ["tag", "message", "object"].map((field) => requiredText(body, field));
  const type = textIn(body, "type") ?? "commit";
  const [target] = isObjectId(object ?? "") ? await findObjects(repository, [object ?? ""]) : [];
  if (target?.type !== type) throw new ApiProblem(422, "Object does not exist");
  const given = body["tagger"];
  const now = timeOf(world.now());
  const tagger = isObject(given)
    ? { name: requiredText(given, "name"), email: requiredText(given, "email"), date: textIn(given, "date") ?? now }
    : { name: "github-actions[bot]", email: "41898282+github-actions[bot]@users.noreply.github.com", date: now };
  const text = `object ${target.id}\ntype ${type}\ntag ${tag}\ntagger ${tagger.name} <${tagger.email}> ${now}\n\n${message}`;
  const sha = createHash("sha1")
    .update(`tag ${Buffer.byteLength(text)}\0${text}`)
    .digest("hex");
  const made = world.state.tags.add("", {
    sha,
    node_id: `TA_${sha}`,
    url: `${apiOf(repository)}/git/tags/${sha}`,
    tag,
    message,
    tagger,
    object: { sha: target.id, type, url: `${apiOf(repository)}/git/${type}s/${target.id}` },
    verification: UNSIGNED,
  });
  return json(made.fields, 201);
}
