/**
 * What the steps of a run wrote into their summaries, job by job: rendered for a person at a terminal, as it was written for
 * everything else. The renderer is loaded when there is something to render.
 */
import type { RunRecord } from "../store/run-record.ts";
import { plainLines, plainText } from "./display-text.ts";
import { placeJobs } from "./job-tree.ts";
import { span } from "./line.ts";
import type { Line } from "./line.ts";
import type { Terminal } from "./terminal.ts";

interface JobSummaryOptions {
  /** In front of each job's name; undefined: nothing. */
  readonly label: string | undefined;
  /** Undefined: whole. `rest` is the command that shows it whole. */
  readonly limit: { readonly lines: number; readonly rest: string } | undefined;
}

/** Beyond this no line of a limited summary is looked for, so that parsing it takes no time. */
const LIMITED_CHARS = 16 * 1024;

/** Empty when no step wrote one. */
export async function jobSummaryLines(
  record: RunRecord,
  terminal: Pick<Terminal, "live" | "size">,
  { label, limit }: JobSummaryOptions,
): Promise<Line[]> {
  const lines: Line[] = [];
  for (const { job } of placeJobs(record.jobs)) {
    const texts = record.summaries.filter((one) => one.job === job.job).map(({ markdown }) => markdown.trim());
    const markdown = texts.filter((text) => text !== "").join("\n\n");
    if (markdown === "") continue;
    const place = [...(label === undefined ? [] : [label]), job.job].join(", ");
    const considered = limit === undefined ? markdown : markdown.slice(0, LIMITED_CHARS);
    const body = await bodyLines(considered, terminal);
    const shown = limit === undefined ? body : body.slice(0, limit.lines);
    lines.push([span(plainText(`Summary of ${place}`), "bold")], ...shown);
    if (limit !== undefined && (shown.length < body.length || considered.length < markdown.length)) {
      lines.push([span(`  … the whole summary: ${limit.rest}`, "dim")]);
    }
    lines.push([]);
  }
  return lines;
}

async function bodyLines(markdown: string, { live, size }: Pick<Terminal, "live" | "size">): Promise<Line[]> {
  if (!live) return plainLines(markdown).map((line) => [span(line)]);
  const { markdownLines } = await import("./markdown-lines.ts");
  return markdownLines(markdown, size().columns - 1);
}
