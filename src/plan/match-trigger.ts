/**
 * Whether an event starts a workflow: its name, its activity type, its branch or tag, the paths it changed, and what the
 * commit's message asks for. A filter that cannot be read starts nothing and says why: a guess could be a way around it.
 * Source: ACTIONS-CONTRACT §7.2 and §7.3.
 */
import { member } from "../context/mapping.ts";
import type { Value } from "../expression/template.ts";
import type { Trigger, Workflow } from "../workflow/workflow.ts";
import type { Event } from "./event.ts";
import { eventRule } from "./event-rules.ts";
import { lastMatchDecides, parseFilters } from "./filter-pattern.ts";
import { isSameCron } from "./schedule.ts";

export type TriggerMatch =
  | { readonly matched: true; readonly trigger: Trigger }
  /** `reason` is a sentence without its full stop. */
  | { readonly matched: false; readonly reason: string };

export function matchTrigger(workflow: Workflow, event: Event): TriggerMatch {
  const triggers = workflow.triggers.filter((trigger) => trigger.event === event.name);
  const [first] = triggers;
  if (first === undefined) {
    const names = workflow.triggers.map((trigger) => trigger.event).join(", ");
    return { matched: false, reason: `the event is ${event.name}, and the workflow starts on ${names || "nothing"}` };
  }
  let reason = "";
  for (const trigger of triggers) {
    const objection =
      objectionOfSkip(event) ??
      objectionOfType(trigger, event) ??
      objectionOfSource(trigger, event) ??
      objectionOfRef(trigger, event) ??
      objectionOfPaths(trigger, event);
    if (objection === undefined) return { matched: true, trigger };
    reason = objection;
  }
  return { matched: false, reason };
}

const SKIP_MARKS = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];

function objectionOfSkip(event: Event): string | undefined {
  if (event.name !== "push" && event.name !== "pull_request") return undefined;
  const mark = SKIP_MARKS.find((mark) => event.headCommitMessage.includes(mark));
  if (mark !== undefined) return `the head commit's message says ${mark}`;
  return hasSkipTrailer(event.headCommitMessage) ? "the head commit has the trailer skip-checks: true" : undefined;
}

/** GitHub wants the trailers after two empty lines, and this one last. */
function hasSkipTrailer(message: string): boolean {
  const lines = message.split("\n").map((line) => line.trim());
  while (lines.at(-1) === "") lines.pop();
  if (!/^skip-checks:\s*true$/u.test(lines.at(-1) ?? "")) return false;
  const lastEmpty = lines.lastIndexOf("");
  return lastEmpty > 0 && lines[lastEmpty - 1] === "";
}

/** A payload without an action passes: there is no type that could be the wrong one. */
function objectionOfType(trigger: Trigger, event: Event): string | undefined {
  const action = event.payload["action"];
  const types = trigger.types ?? defaultTypesOf(trigger.event);
  if (types === undefined || typeof action !== "string" || types.includes(action)) return undefined;
  return `the activity type is ${action}, and on.${trigger.event} takes ${types.join(", ") || "none"}`;
}

/** Undefined: whatever the event's activity is. */
function defaultTypesOf(event: string): readonly string[] | undefined {
  const rule = eventRule(event);
  if (rule === undefined || rule.types.length === 0) return undefined;
  return rule.defaultTypes ?? rule.types;
}

/** What only some events have: the workflow that ended, the schedule that fired, the draft that nobody sees yet. */
function objectionOfSource(trigger: Trigger, { name, payload }: Event): string | undefined {
  switch (name) {
    case "push":
      return payload["deleted"] === true ? "the push deleted its ref" : undefined;
    case "pull_request":
      return member(payload["pull_request"], "mergeable") === false && payload["action"] !== "closed"
        ? "the pull request has a merge conflict"
        : undefined;
    case "release":
      return member(payload["release"], "draft") === true && DRAFT_TYPES.has(payload["action"] ?? null)
        ? "the release is a draft"
        : undefined;
    case "deployment_status":
      return member(payload["deployment_status"], "state") === "inactive"
        ? "the deployment's status is inactive"
        : undefined;
    case "check_run":
    case "check_suite":
      return isOfActions(payload[name]) ? "the check was made by GitHub Actions" : undefined;
    case "workflow_run":
      return objectionOfWorkflow(trigger, payload);
    case "schedule":
      return objectionOfSchedule(trigger, payload["schedule"]);
    default:
      return undefined;
  }
}

const DRAFT_TYPES: ReadonlySet<Value> = new Set(["created", "edited", "deleted"]);

/** Their checks would start workflows that make checks, without end. */
function isOfActions(check: Value | undefined): boolean {
  const apps = [member(check, "app"), member(member(check, "check_suite"), "app")];
  return apps.some((app) => member(app, "slug") === "github-actions");
}

/** Names may be patterns, as those of branches; one that is spelled like the workflow is that workflow, whatever it has in it. */
function objectionOfWorkflow({ workflows }: Trigger, payload: Event["payload"]): string | undefined {
  const name = member(payload["workflow_run"], "name") ?? member(payload["workflow"], "name");
  if (workflows === undefined || typeof name !== "string" || workflows.includes(name)) return undefined;
  const filter = readFilter("on.workflow_run.workflows", workflows);
  if (filter.kind === "readable" && filter.passes(name)) return undefined;
  return `the workflow that ran is '${name}', and on.workflow_run follows ${workflows.join(", ")}`;
}

function objectionOfSchedule({ schedules }: Trigger, cron: Value | undefined): string | undefined {
  if (schedules === undefined || typeof cron !== "string") return undefined;
  if (schedules.some((schedule) => isSameCron(schedule.cron, cron))) return undefined;
  return `the schedule is '${cron}', which on.schedule does not have`;
}

function objectionOfRef(trigger: Trigger, event: Event): string | undefined {
  const filtersBranches = trigger.branches !== undefined || trigger.branchesIgnore !== undefined;
  if (event.name !== "push") {
    if (!filtersBranches) return undefined;
    const branch = branchOf(event);
    if (branch === undefined) return `on.${trigger.event} filters branches, and the event names none`;
    return objectionOfBranch(trigger, branch);
  }
  const filtersTags = trigger.tags !== undefined || trigger.tagsIgnore !== undefined;
  if (!filtersBranches && !filtersTags) return undefined;
  const tag = withoutPrefix(event.ref, "refs/tags/");
  if (tag !== undefined) {
    if (!filtersTags) return `on.push filters branches only, and '${tag}' is a tag`;
    return objectionOfLists("on.push.tags", "tag", tag, trigger.tags, trigger.tagsIgnore);
  }
  const branch = withoutPrefix(event.ref, "refs/heads/");
  if (branch === undefined) return `on.push filters branches or tags, and '${event.ref}' is neither`;
  if (!filtersBranches) return `on.push filters tags only, and '${branch}' is a branch`;
  return objectionOfBranch(trigger, branch);
}

/** The branch that filters look at: of a pull request the base, of a workflow run the branch it ran on. */
function branchOf(event: Event): string | undefined {
  if (event.name === "workflow_run") {
    const branch = member(event.payload["workflow_run"], "head_branch");
    return typeof branch === "string" ? branch : undefined;
  }
  const base = event.name === "merge_group" ? member(event.payload["merge_group"], "base_ref") : event.baseRef;
  if (typeof base !== "string" || base === "") return undefined;
  return withoutPrefix(base, "refs/heads/") ?? base;
}

function objectionOfBranch(trigger: Trigger, branch: string): string | undefined {
  return objectionOfLists(`on.${trigger.event}.branches`, "branch", branch, trigger.branches, trigger.branchesIgnore);
}

function objectionOfLists(
  key: string,
  noun: string,
  name: string,
  only: readonly string[] | undefined,
  ignored: readonly string[] | undefined,
): string | undefined {
  if (only !== undefined) {
    const filter = readFilter(key, only);
    if (filter.kind === "unreadable") return filter.reason;
    if (!filter.passes(name)) return `${key} does not have the ${noun} '${name}'`;
  }
  if (ignored !== undefined) {
    const filter = readFilter(`${key}-ignore`, ignored);
    if (filter.kind === "unreadable") return filter.reason;
    if (filter.passes(name)) return `${key}-ignore has the ${noun} '${name}'`;
  }
  return undefined;
}

/** As many changed files as GitHub looks at; what comes after them does not start a workflow. */
const MAX_CHANGED_FILES = 300;

/** Tags have no paths. */
function objectionOfPaths(trigger: Trigger, event: Event): string | undefined {
  if (trigger.paths === undefined && trigger.pathsIgnore === undefined) return undefined;
  if (event.name === "push" && event.ref.startsWith("refs/tags/")) return undefined;
  const key = `on.${trigger.event}.paths`;
  const only = readFilter(key, trigger.paths ?? ["**"]);
  if (only.kind === "unreadable") return only.reason;
  const ignored = readFilter(`${key}-ignore`, trigger.pathsIgnore ?? []);
  if (ignored.kind === "unreadable") return ignored.reason;
  const files = event.changedFiles?.slice(0, MAX_CHANGED_FILES);
  if (files === undefined) return undefined;
  if (files.length === 0) return `${key} is given, and the event changed no files`;
  if (!files.some((file) => only.passes(file))) return `no changed file is in ${key}`;
  return files.every((file) => ignored.passes(file)) ? `every changed file is in ${key}-ignore` : undefined;
}

type ReadFilter =
  | { readonly kind: "readable"; readonly passes: (name: string) => boolean }
  | { readonly kind: "unreadable"; readonly reason: string };

function readFilter(key: string, patterns: readonly string[]): ReadFilter {
  const parsed = parseFilters(patterns);
  if (parsed.kind === "invalid") {
    return {
      kind: "unreadable",
      reason: `${key} has the pattern '${parsed.pattern}', which cannot be read: ${parsed.reason}`,
    };
  }
  return { kind: "readable", passes: (name) => lastMatchDecides(parsed.filters, name) };
}

function withoutPrefix(text: string, prefix: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
}
