/**
 * What a delivery means to workflows: which events it is, which commit each is about, whom it is from; or why nothing can come of it.
 * Pure. Source: ACTIONS-CONTRACT §7.2.
 */
import { eventRule } from "../plan/event-rules.ts";
import { repositoryIn, textIn, valueIn } from "./payload.ts";
import type { Payload } from "./payload.ts";
import type { NewDelivery, Trust } from "./server-store.ts";
import { trustOf } from "./trust.ts";

export type DeliveryMeaning =
  | { readonly kind: "events"; readonly happening: Happening; readonly starts: readonly Start[] }
  | { readonly kind: "ignored"; readonly reason: string };

export interface Happening {
  readonly repository: { readonly owner: string; readonly name: string };
  /** Undefined where the payload does not say. */
  readonly defaultBranch: string | undefined;
  readonly payload: Payload;
  /** Empty where the payload does not say. */
  readonly actor: string;
  readonly pullRequest: number | undefined;
  /** Only this workflow is meant; undefined: all. */
  readonly workflow: string | undefined;
  /** Of workflow_dispatch. */
  readonly inputs: { readonly [name: string]: string };
}

export interface Start {
  /** As workflows know it. */
  readonly event: string;
  readonly trust: Trust;
  readonly wanted: WantedCommit;
  /** What GitHub's reports are about; undefined: the commit itself. */
  readonly headSha: string | undefined;
}

/** Which commit a run is for. `merge`: what GitHub made of the pull request and its base, for exactly this head. */
export type WantedCommit =
  | { readonly kind: "default" }
  | { readonly kind: "commit"; readonly sha: string; readonly ref: string }
  /** `ref` may be short. */
  | { readonly kind: "ref"; readonly ref: string }
  | { readonly kind: "merge"; readonly number: number; readonly headSha: string; readonly conflicts: boolean };

export function eventOfDelivery(
  delivery: Pick<NewDelivery, "event" | "repository">,
  payload: Payload,
): DeliveryMeaning {
  const { event } = delivery;
  if (event === "ping") return ignored("a ping starts nothing");
  if (eventRule(event) === undefined) return ignored(`no workflow starts on '${event}'`);
  if (ONLY_WITHIN.includes(event)) return ignored(`'${event}' comes from no delivery`);
  const isNamed = textIn(payload, "repository", "full_name") !== undefined;
  const [owner = "", name = ""] = (isNamed ? repositoryIn(payload) : delivery.repository).split("/");
  if (owner === "" || name === "") return ignored("it names no repository");
  const passed = passedOver(event, payload);
  if (passed !== undefined) return ignored(passed);
  const wanted = wantedBy(event, payload);
  if (wanted === undefined) return ignored("it names no commit");
  const pullRequest = numberIn(payload, "pull_request", "number");
  const headSha = headOf(event, payload);
  const starts: readonly Start[] = [
    { event, wanted, headSha, trust: trustOf(event, payload) },
    // GitHub delivers both as one.
    ...(event === "pull_request" ? [targetOf(payload, headSha)] : []),
  ];
  const happening = {
    repository: { owner, name },
    defaultBranch: textIn(payload, "repository", "default_branch"),
    payload,
    actor: (textIn(payload, "sender", "login") ?? "").slice(0, MAX_LOGIN),
    pullRequest,
    workflow: ["workflow_dispatch", "schedule"].includes(event) ? textIn(payload, "workflow") : undefined,
    inputs: event === "workflow_dispatch" ? inputsOf(payload) : {},
  };
  return { kind: "events", happening, starts };
}

/** Names of people have 39 characters, those of Apps more. */
const MAX_LOGIN = 100;

/** GitHub makes them of others, and tells nobody. */
const ONLY_WITHIN = ["workflow_call", "pull_request_target", "image_version"];

function ignored(reason: string): DeliveryMeaning {
  return { kind: "ignored", reason };
}

function targetOf(payload: Payload, headSha: string | undefined): Start {
  const event = "pull_request_target";
  return { event, wanted: { kind: "default" }, headSha, trust: trustOf(event, payload) };
}

/** What GitHub starts nothing for, though the event is one that starts workflows. */
function passedOver(event: string, payload: Payload): string | undefined {
  if (event === "push" && payload["deleted"] === true) return "the branch or tag was deleted";
  const action = textIn(payload, "action") ?? "";
  if (event === "release" && payload["release"] !== undefined) {
    const isDraft = valueIn(payload, "release", "draft") === true;
    if (isDraft && ["created", "edited", "deleted"].includes(action)) return "the release is a draft";
  }
  if (event === "deployment_status" && textIn(payload, "deployment_status", "state") === "inactive") {
    return "the deployment became inactive";
  }
  const app = textIn(payload, event, "app", "slug") ?? textIn(payload, event, "check_suite", "app", "slug");
  if (["check_run", "check_suite"].includes(event) && app === "github-actions") return "its checks are GitHub's own";
  return undefined;
}

function wantedBy(event: string, payload: Payload): WantedCommit | undefined {
  const revision = eventRule(event)?.revision;
  switch (revision) {
    case "pushed":
      return commitAt(textIn(payload, "after"), textIn(payload, "ref"));
    case "merge":
      return mergeOf(payload);
    case "merge_group":
      return commitAt(textIn(payload, "merge_group", "head_sha"), textIn(payload, "merge_group", "head_ref"));
    case "created": {
      const ref = textIn(payload, "ref");
      const kind = textIn(payload, "ref_type") === "tag" ? "tags" : "heads";
      return ref === undefined
        ? undefined
        : { kind: "ref", ref: ref.startsWith("refs/") ? ref : `refs/${kind}/${ref}` };
    }
    case "dispatched":
      return { kind: "ref", ref: textIn(payload, "ref") ?? "" };
    case "release": {
      const tag = textIn(payload, "release", "tag_name");
      return tag === undefined ? undefined : { kind: "ref", ref: `refs/tags/${tag}` };
    }
    case "deployed":
      return commitAt(textIn(payload, "deployment", "sha"), textIn(payload, "deployment", "ref") ?? "");
    case "package": {
      const version = valueIn(payload, "registry_package", "package_version");
      return commitAt(textIn(version, "target_oid"), textIn(version, "target_commitish") ?? "") ?? { kind: "default" };
    }
    default:
      return { kind: "default" };
  }
}

function mergeOf(payload: Payload): WantedCommit | undefined {
  const base = textIn(payload, "pull_request", "base", "ref");
  const isMerged = payload["action"] === "closed" && valueIn(payload, "pull_request", "merged") === true;
  if (isMerged && base !== undefined) return { kind: "ref", ref: `refs/heads/${base}` };
  const number = numberIn(payload, "pull_request", "number");
  const headSha = textIn(payload, "pull_request", "head", "sha");
  if (number === undefined || headSha === undefined || !isSha(headSha)) return undefined;
  return { kind: "merge", number, headSha, conflicts: valueIn(payload, "pull_request", "mergeable") === false };
}

function commitAt(sha: string | undefined, ref: string | undefined): WantedCommit | undefined {
  return sha !== undefined && isSha(sha) && ref !== undefined ? { kind: "commit", sha, ref } : undefined;
}

function headOf(event: string, payload: Payload): string | undefined {
  const sha = textIn(payload, "pull_request", "head", "sha");
  return eventRule(event)?.revision === "merge" && sha !== undefined && isSha(sha) ? sha : undefined;
}

function numberIn(payload: Payload, ...path: readonly string[]): number | undefined {
  const found = valueIn(payload, ...path);
  return typeof found === "number" && Number.isSafeInteger(found) && found > 0 ? found : undefined;
}

function inputsOf(payload: Payload): Happening["inputs"] {
  const inputs = valueIn(payload, "inputs") ?? {};
  const entries = typeof inputs === "object" && inputs !== null ? Object.entries(inputs) : [];
  return Object.fromEntries(
    entries.flatMap(([name, value]: [string, unknown]) =>
      ["string", "number", "boolean"].includes(typeof value) ? [[name, String(value)]] : [],
    ),
  );
}

function isSha(text: string): boolean {
  return /^[0-9a-f]{40}$/u.test(text) && !/^0+$/u.test(text);
}
