/**
 * Brings a check run to the state of a report, once however often it is tried. A POST may have been carried out although nobody heard
 * so: what was tried is noted before, and then the check run is looked for by its `external_id` before another is made. Annotations
 * are added by every request, so GitHub is asked how many it has where that is not known.
 */
import { z } from "zod";
import type { Notes, Report } from "../server/server-store.ts";
import type { GithubClient } from "./client.ts";
import { readAnswer } from "./github-answer.ts";
import { readCheckRunBody } from "./report-body.ts";
import type { Annotation, CheckRunBody } from "./report-body.ts";

/** GitHub takes no more with one request. */
const BATCH = 50;
const PAGE = 100;
/** Of a name and a commit GitHub keeps 1,000. */
const MAX_PAGES = 10;

/** What is known of the check run, kept under the report's key. */
interface Known {
  readonly id?: number | undefined;
  /** How many annotations it has; undefined: a request with some was sent, and what came of it is not known. */
  readonly annotations?: number | undefined;
}

const known = z.object({ id: z.int().optional(), annotations: z.int().optional() });
const made = z.object({ id: z.int() });
const shown = z.object({ output: z.object({ annotations_count: z.int() }) });
const listed = z.object({ check_runs: z.array(z.object({ id: z.int(), external_id: z.string().nullable() })) });

/** Throws `GithubProblem`. Not twice at a time for the same key. */
export async function sendCheckRun(
  report: Report,
  client: GithubClient,
  notes: Notes,
  signal: AbortSignal,
): Promise<void> {
  const { fields, annotations } = readCheckRunBody(report.body);
  const note = (value: Known): void => notes.set(report.key, JSON.stringify(value));
  const ask = async (route: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> =>
    (await client.request({ route, parameters, repository: report.repository, signal })).data;

  const before = readNote(notes.get(report.key));
  let id = before?.id ?? (before === undefined ? undefined : await findAgain(fields, ask));
  let done = before === undefined ? 0 : before.annotations;
  if (id === undefined) {
    // Made before now: it may exist from here on.
    note({});
    const first = annotations.slice(0, BATCH);
    ({ id } = readAnswer(made, await ask("POST /repos/{owner}/{repo}/check-runs", withAnnotations(fields, first))));
    done = first.length;
    note({ id, annotations: done });
    if (done === annotations.length) return;
  } else if (annotations.length > 0) {
    done ??= readAnswer(shown, await ask(ONE, { check_run_id: id })).output.annotations_count;
  }
  const { head_sha: _sha, ...changeable } = fields;
  do {
    const batch = annotations.slice(done ?? 0, (done ?? 0) + BATCH);
    if (batch.length > 0 || before?.id === undefined) note({ id, ...(batch.length === 0 && { annotations: done }) });
    await ask(`PATCH ${PLACE}`, { check_run_id: id, ...withAnnotations(changeable, batch) });
    done = (done ?? 0) + batch.length;
    if (batch.length > 0) note({ id, annotations: done });
  } while (done < annotations.length);
}

const PLACE = "/repos/{owner}/{repo}/check-runs/{check_run_id}";
const ONE = `GET ${PLACE}`;

async function findAgain(
  { head_sha, name, external_id }: CheckRunBody["fields"],
  ask: (route: string, parameters: Readonly<Record<string, unknown>>) => Promise<unknown>,
): Promise<number | undefined> {
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const asked = { ref: head_sha, check_name: name, filter: "all", per_page: PAGE, page };
    const { check_runs } = readAnswer(listed, await ask("GET /repos/{owner}/{repo}/commits/{ref}/check-runs", asked));
    const found = check_runs.find((run) => run.external_id === external_id);
    if (found !== undefined) return found.id;
    if (check_runs.length < PAGE) return undefined;
  }
  return undefined;
}

function withAnnotations<T extends { readonly output: object }>(fields: T, annotations: readonly Annotation[]) {
  return annotations.length === 0 ? { ...fields } : { ...fields, output: { ...fields.output, annotations } };
}

function readNote(text: string | undefined): Known | undefined {
  return text === undefined ? undefined : known.parse(JSON.parse(text));
}
