/** Files and directories of a repository, and its objects by their ids. Source: GitHub REST "Repository contents", "Git database". */
import type { ApiCall, ApiRepository } from "./api-call.ts";
import { param, timeOf } from "./api-call.ts";
import { readCommit, UNSIGNED } from "./api-commits.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, bytes, json, mediaOf, notFound } from "./api-message.ts";
import { findCommit, findObjects, isObjectId, treeOf, treePath } from "./api-revision.ts";
import { reads, route } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, htmlOf } from "./api-shape.ts";

const CONTENTS = reads("contents");
/** GitHub gives larger files only raw. */
const MAX_ENCODED_BYTES = 1 << 20;
const MAX_FILE_BYTES = 100 << 20;
const MAX_TREE_ENTRIES = 100_000;

export const contentRoutes: readonly Route[] = [
  route("GET", "contents", CONTENTS, getContents),
  route("GET", "contents/{path*}", CONTENTS, getContents),
  route("GET", "readme", CONTENTS, getReadme),
  route("GET", "git/trees/{tree*}", CONTENTS, getTree),
  route("GET", "git/blobs/{sha}", CONTENTS, getBlob),
  route("GET", "git/commits/{sha}", CONTENTS, getGitCommit),
  route("GET", "git/tags/{sha}", CONTENTS, getTag),
];

export interface TreeEntry {
  readonly mode: string;
  readonly type: "blob" | "tree" | "commit";
  readonly sha: string;
  readonly sizeBytes: number | undefined;
  /** From the root. */
  readonly path: string;
}

/** `path` with a slash at its end: what is in that directory. Empty: what is at the root. */
export async function listTree(
  repository: ApiRepository,
  tree: string,
  path: string,
  recursive = false,
): Promise<readonly TreeEntry[]> {
  const where = path === "" ? [] : [path];
  const output = await repository.git.read([
    "ls-tree",
    "-z",
    "-l",
    "--full-tree",
    ...(recursive ? ["-r", "-t"] : []),
    tree,
    "--",
    ...where,
  ]);
  return output
    .toString()
    .split("\0")
    .flatMap((line) => {
      const { mode, type, sha, size, name } =
        /^(?<mode>\d+) (?<type>blob|tree|commit) (?<sha>\w+) +(?<size>\d+|-)\t(?<name>[^]*)$/.exec(line)?.groups ?? {};
      if (mode === undefined || sha === undefined || name === undefined) return [];
      if (type !== "blob" && type !== "tree" && type !== "commit") return [];
      return [{ mode, type, sha, sizeBytes: size === "-" ? undefined : Number(size), path: name }];
    });
}

/** The content of a file. Throws 404, or 403 when it is larger than GitHub gives. */
export async function readBlob(repository: ApiRepository, sha: string, maxBytes = MAX_FILE_BYTES): Promise<Buffer> {
  return await repository.git.read(["cat-file", "blob", sha], { maxBytes });
}

async function getContents(call: ApiCall): Promise<ApiResponse> {
  const { repository, request, params } = call;
  const path = treePath(params["path"] ?? "");
  const ref = request.query.get("ref") ?? repository.defaultBranch;
  const commit = await findCommit(repository, ref);
  if (commit === undefined) throw new ApiProblem(404, `No commit found for the ref ${ref}`);
  const [entry] = path === "" ? [undefined] : await listTree(repository, commit, path);
  if (path !== "" && entry === undefined) throw notFound();
  if (entry?.type === "blob") return await fileAnswer(call, entry, ref);
  if (entry?.type === "commit") return json({ ...entryShape(entry, repository, ref), type: "submodule" });
  const inside = await listTree(repository, commit, path === "" ? "" : `${path}/`);
  const entries = inside.map((one) => entryShape(one, repository, ref));
  if (mediaOf(request) !== "object" || entry === undefined) return json(entries);
  return json({ ...entryShape(entry, repository, ref), entries });
}

async function getReadme(call: ApiCall): Promise<ApiResponse> {
  const { repository, request } = call;
  const ref = request.query.get("ref") ?? repository.defaultBranch;
  const commit = await findCommit(repository, ref);
  const root = commit === undefined ? [] : await listTree(repository, commit, "");
  const readme = root.find((entry) => entry.type === "blob" && /^readme(?:\.\w+)?$/i.test(entry.path));
  if (readme === undefined) throw notFound();
  return await fileAnswer(call, readme, ref);
}

async function fileAnswer({ repository, request }: ApiCall, entry: TreeEntry, ref: string): Promise<ApiResponse> {
  const content = await readBlob(repository, entry.sha);
  if (mediaOf(request) === "raw") return bytes("application/vnd.github.raw; charset=utf-8", content);
  const shape = entryShape(entry, repository, ref);
  if (entry.mode === SYMLINK) return json({ ...shape, target: content.toString() });
  const fits = content.length <= MAX_ENCODED_BYTES;
  return json({ ...shape, content: fits ? base64(content) : "", encoding: fits ? "base64" : "none" });
}

const SYMLINK = "120000";

function entryShape(
  { mode, type, sha, sizeBytes, path }: TreeEntry,
  repository: ApiRepository,
  ref: string,
): JsonObject {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  const url = `${apiOf(repository)}/contents/${encoded}?ref=${encodeURIComponent(ref)}`;
  const place = type === "tree" ? "tree" : "blob";
  const git_url = type === "commit" ? null : `${apiOf(repository)}/git/${place}s/${sha}`;
  const html_url = type === "commit" ? null : `${htmlOf(repository)}/${place}/${ref}/${encoded}`;
  const raw = `https://raw.githubusercontent.com/${repository.owner}/${repository.name}/${ref}/${encoded}`;
  return {
    name: path.slice(path.lastIndexOf("/") + 1),
    path,
    sha,
    size: sizeBytes ?? 0,
    url,
    html_url,
    git_url,
    download_url: type === "blob" ? raw : null,
    type: mode === SYMLINK ? "symlink" : type === "tree" ? "dir" : "file",
    _links: { self: url, git: git_url, html: html_url },
  };
}

/** GitHub breaks it into lines. */
function base64(content: Buffer): string {
  return content.toString("base64").replaceAll(/.{60}/g, "$&\n").replace(/\n?$/, "\n");
}

async function getTree(call: ApiCall): Promise<ApiResponse> {
  const { repository, request } = call;
  const tree = await treeOf(repository, param(call, "tree"));
  // Any value at all means yes.
  const entries = await listTree(repository, tree, "", request.query.has("recursive"));
  const shown = entries.slice(0, MAX_TREE_ENTRIES);
  return json({
    sha: tree,
    url: `${apiOf(repository)}/git/trees/${tree}`,
    tree: shown.map(({ path, mode, type, sha, sizeBytes }) => ({
      path,
      mode,
      type,
      sha,
      size: sizeBytes,
      url: type === "commit" ? undefined : `${apiOf(repository)}/git/${type}s/${sha}`,
    })),
    truncated: entries.length > shown.length,
  });
}

async function getBlob(call: ApiCall): Promise<ApiResponse> {
  const { repository, request } = call;
  const sha = await objectId(call, "blob");
  const content = await readBlob(repository, sha);
  if (mediaOf(request) === "raw") return bytes("application/vnd.github.raw; charset=utf-8", content);
  return json({
    sha,
    node_id: `B_${sha}`,
    size: content.length,
    url: `${apiOf(repository)}/git/blobs/${sha}`,
    content: base64(content),
    encoding: "base64",
  });
}

/** Of the path's `{sha}`. Throws 404 when there is no object of that type with that id. */
async function objectId(call: ApiCall, type: string): Promise<string> {
  const sha = param(call, "sha");
  const [found] = isObjectId(sha) ? await findObjects(call.repository, [sha]) : [];
  if (found?.type !== type) throw notFound();
  return sha;
}

async function getGitCommit(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  const { sha, tree, parents, author, committer, message } = await readCommit(
    repository,
    await objectId(call, "commit"),
  );
  return json({
    sha,
    node_id: `C_${sha}`,
    url: `${apiOf(repository)}/git/commits/${sha}`,
    html_url: `${htmlOf(repository)}/commit/${sha}`,
    author: { ...author },
    committer: { ...committer },
    tree: { sha: tree, url: `${apiOf(repository)}/git/trees/${tree}` },
    message,
    parents: parents.map((parent) => ({
      sha: parent,
      url: `${apiOf(repository)}/git/commits/${parent}`,
      html_url: `${htmlOf(repository)}/commit/${parent}`,
    })),
    verification: UNSIGNED,
  });
}

async function getTag(call: ApiCall): Promise<ApiResponse> {
  const { repository, world } = call;
  const made = repository.isOwn
    ? world.state.tags.all().find(({ fields }) => fields["sha"] === param(call, "sha"))
    : undefined;
  if (made !== undefined) return json(made.fields);
  const sha = await objectId(call, "tag");
  const text = (await repository.git.read(["cat-file", "tag", sha])).toString();
  const end = text.indexOf("\n\n");
  const header = text.slice(0, end);
  const field = (name: string): string => new RegExp(`^${name} (.*)$`, "m").exec(header)?.[1] ?? "";
  const {
    name = "",
    email = "",
    at = "0",
  } = /^(?<name>.*) <(?<email>.*)> (?<at>\d+) [+-]\d+$/.exec(field("tagger"))?.groups ?? {};
  const [object, type] = [field("object"), field("type")];
  return json({
    sha,
    node_id: `TA_${sha}`,
    url: `${apiOf(repository)}/git/tags/${sha}`,
    tag: field("tag"),
    message: text.slice(end + 2),
    tagger: { name, email, date: timeOf(Number(at) * 1000) },
    object: { sha: object, type, url: `${apiOf(repository)}/git/${type}s/${object}` },
    verification: UNSIGNED,
  });
}
