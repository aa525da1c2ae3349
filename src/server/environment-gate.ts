/**
 * Whether a run waits for somebody before it starts, because a job of it deploys where somebody is asked first. What asks is said by the
 * operator and by the default branch (`environment-approval.ts`); what cannot be told when the run is planned, such as a name that an
 * expression makes or a file that cannot be read, asks too. The whole run waits: its machine would be kept for a person otherwise.
 */
import { findCommit, readFirstFile } from "../git/file-at-commit.ts";
import type { GitPlace } from "../git/file-at-commit.ts";
import type { Template } from "../expression/template.ts";
import { jobsOf } from "../plan/jobs-of.ts";
import type { PlannedWorkflow } from "../plan/plan.ts";
import { environmentNeedsApproval } from "../select/environment-approval.ts";
import { parseHearthFile } from "../select/parse-hearth-file.ts";
import type { HearthFile } from "../select/parse-hearth-file.ts";
import { MAX_WORKFLOW_BYTES } from "../select/read-files.ts";
import { HEARTH_FILE } from "../select/settings-node.ts";
import type { rehearse } from "./rehearse.ts";

export interface GateParts {
  readonly rehearse: typeof rehearse;
  /** Names of environments of every repository that ask; `*`: all. */
  readonly operator: readonly string[];
}

/** Of one commit's plans: the default branch is read once, and only for a plan that deploys. `place`: the mirror. */
export function createEnvironmentGate(
  { rehearse: check, operator }: GateParts,
  place: GitPlace,
  defaultBranch: string,
): (plan: PlannedWorkflow) => Promise<boolean> {
  let file: Promise<DefaultFile> | undefined;
  return async (plan) => {
    const environments = environmentsOf(plan);
    if (environments.length === 0) return false;
    const rules = await (file ??= readDefaultFile(check, place, defaultBranch));
    return environments.some((name) => asksFirst(name, rules, operator));
  };
}

/** `unreadable`: nobody knows what it asks for. */
type DefaultFile = Pick<HearthFile, "environments"> | "unreadable" | undefined;

async function readDefaultFile(check: typeof rehearse, place: GitPlace, branch: string): Promise<DefaultFile> {
  const commit = await findCommit(place, [`refs/heads/${branch}`]);
  if (commit === undefined) return undefined;
  const found = await readFirstFile(place, commit, [HEARTH_FILE], MAX_WORKFLOW_BYTES);
  if (found === undefined) return undefined;
  if (found.content.kind !== "text") return "unreadable";
  const { text } = found.content;
  const refused = await check([{ kind: "settings", path: HEARTH_FILE, text }]);
  if (refused.size > 0) return "unreadable";
  const parsed = parseHearthFile(text);
  return parsed.kind === "parsed" ? parsed.file : "unreadable";
}

/** Undefined: what an expression makes of it. */
function asksFirst(name: string | undefined, file: DefaultFile, operator: readonly string[]): boolean {
  if (file === "unreadable") return true;
  if (name !== undefined) return environmentNeedsApproval(name, file, operator);
  return operator.length > 0 || [...(file?.environments.values() ?? [])].some(({ approval }) => approval);
}

function environmentsOf(plan: PlannedWorkflow): readonly (string | undefined)[] {
  return jobsOf(plan).flatMap(({ job }) =>
    job.kind === "steps" && job.environment !== undefined ? [nameOf(job.environment)] : [],
  );
}

/** `environment: production`, or a mapping with `name`. */
function nameOf(environment: Template): string | undefined {
  switch (environment.kind) {
    case "literal":
      return String(environment.value ?? "");
    case "mapping": {
      const name = environment.entries.find(({ key }) => key.kind === "literal" && key.value === "name")?.value;
      return name === undefined ? undefined : nameOf(name);
    }
    default:
      return undefined;
  }
}
