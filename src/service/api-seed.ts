/**
 * With what a run's API state begins: the issue or pull request that its event is about, and a file of the operator's
 * (`--api-state`), in which little needs to be said: `{ "issues": [{ "title": "Crash", "labels": ["bug"] }] }`.
 * Whatever members are given are shown as they are.
 */
import { EngineError } from "../lib/engine-error.ts";
import { userObject } from "../plan/payload-repository.ts";
import { isList, isObject, shown } from "./api-body.ts";
import type { Json, JsonObject } from "./api-message.ts";
import { ApiState } from "./api-state.ts";
import type { Thread } from "./api-state.ts";

export interface ApiSeed {
  readonly issues: readonly JsonObject[];
  readonly pulls: readonly JsonObject[];
  readonly labels: readonly JsonObject[];
  readonly milestones: readonly JsonObject[];
  readonly releases: readonly JsonObject[];
}

export const EMPTY_SEED: ApiSeed = { issues: [], pulls: [], labels: [], milestones: [], releases: [] };

const KINDS: readonly (keyof ApiSeed)[] = ["issues", "pulls", "labels", "milestones", "releases"];
/** What an item cannot be without. */
const REQUIRED: { readonly [kind in keyof ApiSeed]: string } = {
  issues: "title",
  pulls: "title",
  labels: "name",
  milestones: "title",
  releases: "tag_name",
};

/** `source` names the file in messages. Throws `EngineError` BAD_CONFIG. */
export function parseApiSeed(text: string, source: string): ApiSeed {
  const bad = (what: string): EngineError =>
    new EngineError("BAD_CONFIG", `Cannot use ${source} as API state: ${what}`, {
      hint: "docs/api.md shows what it may hold.",
    });
  let root: Json;
  try {
    root = JSON.parse(text);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : "it is no JSON");
  }
  if (!isObject(root)) throw bad("expected an object");
  const unknown = Object.keys(root).find((key) => !KINDS.some((kind) => kind === key));
  if (unknown !== undefined) throw bad(`'${unknown}' is none of ${KINDS.join(", ")}`);
  const itemsOf = (kind: keyof ApiSeed): readonly JsonObject[] => {
    const items = root[kind] ?? [];
    if (!isList(items)) throw bad(`'${kind}' is no list`);
    return items.map((item, index) => {
      const object = kind === "labels" && typeof item === "string" ? { name: item } : item;
      if (!isObject(object)) throw bad(`${kind}[${index}] is no object`);
      if (typeof object[REQUIRED[kind]] !== "string") throw bad(`${kind}[${index}] has no '${REQUIRED[kind]}'`);
      const { number } = object;
      if (number !== undefined && !(typeof number === "number" && Number.isSafeInteger(number) && number > 0))
        throw bad(`${kind}[${index}] has a number that is none`);
      return object;
    });
  };
  return {
    issues: itemsOf("issues"),
    pulls: itemsOf("pulls"),
    labels: itemsOf("labels"),
    milestones: itemsOf("milestones"),
    releases: itemsOf("releases"),
  };
}

export function createApiState(payload: JsonObject, seed: ApiSeed): ApiState {
  const state = new ApiState();
  for (const label of seed.labels) putLabel(state, label);
  for (const milestone of seed.milestones) state.milestones.add("", milestone);
  const { issue, pull_request: pull, comment, label, release } = payload;
  if (isObject(label)) putLabel(state, label);
  if (isObject(issue)) putThread(state, isObject(issue["pull_request"]) ? "pull" : "issue", issue);
  if (isObject(pull)) putThread(state, "pull", pull);
  const thread = isObject(issue) ? issue : pull;
  // A comment on code has a path and is no comment of the thread itself.
  if (isObject(comment) && isObject(thread) && comment["path"] === undefined && typeof comment["id"] === "number")
    state.comments.add(shown(thread["number"]), comment, comment["id"]);
  if (isObject(release) && typeof release["id"] === "number") state.releases.add("", release, release["id"]);
  for (const item of seed.issues) putThread(state, "issue", item);
  for (const item of seed.pulls) putThread(state, "pull", item);
  for (const item of seed.releases) state.releases.add("", withUser(item, "author"));
  return state;
}

function putLabel(state: ApiState, fields: JsonObject): void {
  const known = findLabel(state, shown(fields["name"]));
  if (known === undefined) state.labels.add("", { color: "ededed", description: null, default: false, ...fields });
  else state.labels.change(known, fields);
}

/** By its name in any case: its id. */
export function findLabel(state: ApiState, name: string): number | undefined {
  const wanted = name.toLowerCase();
  return state.labels.all().find(({ fields }) => shown(fields["name"]).toLowerCase() === wanted)?.id;
}

function putThread(state: ApiState, kind: Thread["kind"], item: JsonObject): void {
  const { labels, assignees, comments, reviews, number, ...fields } = item;
  const chosen = typeof number === "number" ? number : state.nextNumber();
  const known = state.thread(chosen);
  for (const label of isList(labels) ? labels : []) {
    putLabel(state, isObject(label) ? label : { name: shown(label) });
  }
  state.putThread({
    number: chosen,
    kind,
    fields: { ...known?.fields, ...withUser(withRefs(fields), "user") },
    labels: isList(labels) ? namesOf(labels, "name") : (known?.labels ?? []),
    assignees: isList(assignees) ? namesOf(assignees, "login") : (known?.assignees ?? []),
  });
  for (const comment of isList(comments) ? comments : []) {
    state.comments.add(String(chosen), isObject(comment) ? withUser(comment, "user") : { body: shown(comment) });
  }
  for (const review of isList(reviews) ? reviews : []) {
    if (isObject(review)) state.reviews.add(String(chosen), withUser(review, "user"));
  }
}

function namesOf(list: readonly Json[], member: string): readonly string[] {
  return list.map((item) => shown(isObject(item) ? item[member] : item));
}

/** `"head": "topic"` for a branch's name. */
function withRefs(fields: JsonObject): JsonObject {
  const ends = ["head", "base"].flatMap((end) => {
    const value = fields[end];
    return typeof value === "string" ? [[end, { ref: value }] as const] : [];
  });
  return { ...fields, ...Object.fromEntries(ends) };
}

/** `"user": "ann"` for an account's login. */
function withUser(fields: JsonObject, member: string): JsonObject {
  const value = fields[member];
  return typeof value === "string" ? { ...fields, [member]: userObject(value) } : fields;
}
