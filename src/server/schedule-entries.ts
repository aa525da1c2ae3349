/**
 * What `on.schedule` says on the default branches of the repositories that are known, as their mirrors have it: read like anything of a
 * delivery, in a process with limits first, and again only when the branch has moved.
 */
import { bareRepository, findCommit } from "../git/file-at-commit.ts";
import type { RepositoryName } from "../git/remote-url.ts";
import { schedulesOf } from "../plan/schedule.ts";
import { readWorkflow } from "../workflow/read-workflow.ts";
import { checkOut } from "./checkout.ts";
import { textsOf, workflowsOf } from "./commit-texts.ts";
import { defaultBranchOf } from "./mirror.ts";
import type { Mirrors } from "./mirror.ts";
import type { rehearse } from "./rehearse.ts";
import type { ScheduleEntry } from "./schedule-runs.ts";

export interface ScheduleSourceParts {
  readonly mirrors: Pick<Mirrors, "at" | "withCommit">;
  /** `owner/name`. */
  readonly repositories: () => readonly string[];
  readonly rehearse: typeof rehearse;
  readonly scratch: string;
  readonly serverUrl: string;
}

/** Of a repository whose mirror was never made: none. */
export function createScheduleSource(parts: ScheduleSourceParts): () => Promise<readonly ScheduleEntry[]> {
  const known = new Map<string, { readonly sha: string; readonly entries: readonly ScheduleEntry[] }>();
  return async () => {
    const all: ScheduleEntry[] = [];
    for (const repository of parts.repositories()) {
      const [owner = "", name = ""] = repository.split("/");
      const mirror = parts.mirrors.at({ owner, name });
      const branch = await defaultBranchOf(mirror).catch(() => undefined);
      const ref = `refs/heads/${branch}`;
      const sha = branch === undefined ? undefined : await findCommit(bareRepository(mirror.directory), [ref]);
      if (sha === undefined) continue;
      let found = known.get(repository);
      if (found?.sha !== sha) {
        found = { sha, entries: await entriesAt(parts, { owner, name }, { sha, ref, repository }) };
        known.set(repository, found);
      }
      all.push(...found.entries);
    }
    return all;
  };
}

const DEADLINE_MS = 900_000;

async function entriesAt(
  { mirrors, rehearse: check, scratch, serverUrl }: ScheduleSourceParts,
  name: RepositoryName,
  { sha, ref, repository }: { readonly sha: string; readonly ref: string; readonly repository: string },
): Promise<readonly ScheduleEntry[]> {
  using mirror = await mirrors.withCommit(name, sha, AbortSignal.timeout(DEADLINE_MS));
  await using checkout = await checkOut(mirror, { sha, ref, serverUrl }, scratch);
  const texts = (await textsOf(checkout.directory, await workflowsOf(checkout.directory))).filter(
    ({ kind, text }) => kind === "workflow" && text.includes("schedule"),
  );
  const refused = await check(texts);
  return texts.flatMap(({ path, text }) => {
    const read = refused.has(path) ? undefined : readWorkflow(path, text);
    if (read?.kind !== "read") return [];
    return schedulesOf(read.workflow).map(({ cron, timezone }) => ({ repository, workflow: path, cron, timezone }));
  });
}
