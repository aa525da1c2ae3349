/**
 * The one comment of a pull request, with a line for each workflow. Found again by its id; where that is not known, because Hearth ended
 * between making and noting it, by a mark that nobody can guess before it is published: of those who carry it the oldest is ours.
 */
import { z } from "zod";
import type { Notes, Report } from "../server/server-store.ts";
import type { GithubClient } from "./client.ts";
import { readAnswer } from "./github-answer.ts";
import { GithubProblem } from "./github-problem.ts";
import { readCommentBody } from "./report-body.ts";

const PAGE = 100;
const MAX_PAGES = 30;
/** A line is far shorter than what of 65,536 characters is left to each. */
const MAX_LINES = 60;

const known = z.object({
  mark: z.string(),
  id: z.int().optional(),
  tried: z.boolean(),
  lines: z.array(z.object({ label: z.string(), run: z.int(), line: z.string() })),
});
type Known = z.infer<typeof known>;

const made = z.object({ id: z.int() });
const listed = z.array(z.object({ id: z.int(), body: z.string().optional() }));

export interface CommentParts {
  readonly client: GithubClient;
  readonly notes: Notes;
  /** Unguessable, `[0-9a-f-]`. */
  readonly newId: () => string;
}

/** What may not be sent at the same time: they change the same comment. */
export function commentOf({ repository, body }: Report): string {
  return nameOf(repository, readCommentBody(body).pullRequest);
}

function nameOf(repository: string, pullRequest: number): string {
  return `comment:${repository.toLowerCase()}#${pullRequest}`;
}

/** Whether a comment is ours, whatever became of the answer to its making. */
export function isOwnComment(
  notes: Pick<Notes, "get">,
  repository: string,
  pullRequest: number,
  text: string,
): boolean {
  const note = notes.get(nameOf(repository, pullRequest));
  return note !== undefined && text.includes(`<!-- hearth ${known.parse(JSON.parse(note)).mark} -->`);
}

/** Throws `GithubProblem`. Not twice at a time for the same `commentOf`. */
export async function sendComment(
  report: Report,
  { client, notes, newId }: CommentParts,
  signal: AbortSignal,
): Promise<void> {
  const { pullRequest, ...line } = readCommentBody(report.body);
  const name = commentOf(report);
  const note = (value: Known): void => notes.set(name, JSON.stringify(value));
  const ask = async (route: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> =>
    (await client.request({ route, parameters, repository: report.repository, signal })).data;

  const text = notes.get(name);
  const before: Known = text === undefined ? { mark: newId(), tried: false, lines: [] } : known.parse(JSON.parse(text));
  let now: Known = { ...before, lines: withLine(before.lines, line) };
  if (now.id === undefined && now.tried) now = { ...now, id: await findMark(now.mark, pullRequest, ask) };
  note({ ...now, tried: true });
  const body = markdown(now);
  if (now.id !== undefined) {
    const { id } = now;
    const route = "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}";
    if (await isChanged(ask(route, { comment_id: id, body }))) return;
    // Somebody has removed it; its mark may be in what others have copied.
    now = { mark: newId(), tried: true, lines: now.lines };
    note(now);
  }
  const comment = { issue_number: pullRequest, body: markdown(now) };
  const data = await ask("POST /repos/{owner}/{repo}/issues/{issue_number}/comments", comment);
  const { data: found } = made.safeParse(data);
  note({ ...now, tried: true, id: found?.id });
}

async function isChanged(asked: Promise<unknown>): Promise<boolean> {
  try {
    await asked;
    return true;
  } catch (error) {
    if (error instanceof GithubProblem && error.status === 404) return false;
    throw error;
  }
}

/** A run that began earlier never takes the place of a later one. */
function withLine(lines: Known["lines"], line: Known["lines"][number]): Known["lines"] {
  const there = lines.find(({ label }) => label === line.label);
  if (there === undefined) return [...lines, line].slice(-MAX_LINES);
  return there.run > line.run ? lines : lines.map((one) => (one === there ? line : one));
}

function markdown({ mark, lines }: Known): string {
  const sorted = lines.toSorted((a, b) => (a.label < b.label ? -1 : 1));
  return [`<!-- hearth ${mark} -->`, "Hearth", "", ...sorted.map(({ line }) => `- ${line}`)].join("\n");
}

async function findMark(
  mark: string,
  pullRequest: number,
  ask: (route: string, parameters: Readonly<Record<string, unknown>>) => Promise<unknown>,
): Promise<number | undefined> {
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const asked = { issue_number: pullRequest, per_page: PAGE, page };
    const comments = readAnswer(listed, await ask("GET /repos/{owner}/{repo}/issues/{issue_number}/comments", asked));
    const found = comments.find(({ body }) => body?.includes(`<!-- hearth ${mark} -->`));
    if (found !== undefined) return found.id;
    if (comments.length < PAGE) return undefined;
  }
  return undefined;
}
