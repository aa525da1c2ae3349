/**
 * Which parts of the contexts somebody else writes. Strangers can: whoever may open an issue or a pull request, or be merged.
 * Others need to be let in first: to push, to label, to start a run. What is not listed is a number, an id, a name of a fixed
 * form (logins, repositories), or the repository's own.
 * Source: SECURITY-RELIABILITY A12; https://docs.github.com/en/actions/concepts/security/script-injections
 */
import { ANY } from "./reads.ts";
import type { Read } from "./reads.ts";

export type Writer = "stranger" | "collaborator";

/** Undefined: nobody else. Inputs are not judged here, since their definitions say what may stand in them. */
export function writerOf(read: Read): Writer | undefined {
  if (BY_STRANGERS.some((pattern) => matchesPath(read, pattern))) return "stranger";
  return BY_COLLABORATORS.some((pattern) => matchesPath(read, pattern)) ? "collaborator" : undefined;
}

/** `*` in a pattern is any one part, `**` at its end whatever is below. */
export type PathPattern = readonly string[];

export function patterns(...texts: readonly string[]): readonly PathPattern[] {
  return texts.flatMap(alternatives).map((text) => text.split("."));
}

/** Whether the read puts some of what the pattern means into the result. */
export function matchesPath({ path, whole }: Read, pattern: PathPattern): boolean {
  const isDeep = pattern.at(-1) === "**";
  const parts = isDeep ? pattern.slice(0, -1) : pattern;
  const agree = parts.every((part, index) => {
    const read = path[index];
    return read === undefined || part === ANY || read === ANY || part === read;
  });
  if (!agree) return false;
  if (path.length < parts.length) return whole;
  // Below a text there is nothing.
  return isDeep || path.length === parts.length;
}

/** `a.(b|c)` is `a.b` and `a.c`. */
function alternatives(text: string): readonly string[] {
  const { before, inside, after } = /^(?<before>.*?)\((?<inside>[^)]*)\)(?<after>.*)$/.exec(text)?.groups ?? {};
  if (before === undefined || inside === undefined || after === undefined) return [text];
  return inside.split("|").flatMap((one) => alternatives(before + one + after));
}

const COMMIT = "(message|author.email|author.name|committer.email|committer.name)";

const BY_STRANGERS = patterns(
  "github.head_ref",
  "github.event.(issue|pull_request|discussion).(title|body)",
  "github.event.pull_request.head.(ref|label|repo.default_branch|repo.description|repo.homepage)",
  "github.event.(comment|review|review_comment).body",
  "github.event.changes.*.from",
  "github.event.pages.*.(page_name|title|summary)",
  `github.event.(head_commit|commits.*|merge_group.head_commit|check_suite.head_commit).${COMMIT}`,
  "github.event.workflow_run.(head_branch|display_title|head_repository.description|pull_requests.*.head.ref)",
  `github.event.workflow_run.head_commit.${COMMIT}`,
  "github.event.(check_suite|check_run.check_suite).(head_branch|pull_requests.*.head.ref)",
  "github.event.check_run.pull_requests.*.head.ref",
);

const BY_COLLABORATORS = patterns(
  "github.(ref|ref_name)",
  "github.event.(ref|base_ref)",
  "github.event.release.(name|body|tag_name|target_commitish)",
  "github.event.label.(name|description)",
  "github.event.(issue|pull_request|discussion).labels.*.(name|description)",
  "github.event.(milestone|issue.milestone|pull_request.milestone).(title|description)",
  "github.event.client_payload.**",
  "github.event.deployment.(payload.**|description|ref)",
);
