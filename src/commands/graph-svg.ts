/**
 * Job graphs as one SVG that stands alone: no script, no reference to anything outside, readable on light and dark. Stages are
 * columns from left to right, a job that calls a workflow is a frame around its graph. Names are hostile: everything that
 * comes from a file is escaped, and what XML cannot hold is dropped. Pure.
 */
import { displayWidth, plainText, truncate } from "./display-text.ts";
import type { GraphJob, Stages } from "./job-graph.ts";

export interface TitledGraph {
  readonly title: string;
  readonly stages: Stages;
}

const CHARACTER = 7.3;
const ROW = 34;
const GAP = 14;
const COLUMN_GAP = 56;
const PADDING = 14;
const HEADING = 26;
const MAX_LABEL_COLUMNS = 48;
const MAX_REDUCED_NODES = 500;

export function graphSvg(graphs: readonly TitledGraph[]): string {
  const drawn = graphs.map(({ title, stages }) => ({ title, box: layOut(stages) }));
  const width = Math.max(0, ...drawn.map(({ title, box }) => Math.max(box.width, textWidth(title)))) + 2 * PADDING;
  let y = PADDING;
  const body: string[] = [];
  for (const { title, box } of drawn) {
    body.push(`<text class="title" x="${PADDING}" y="${y + 14}">${escape(title)}</text>`);
    y += HEADING;
    body.push(...draw(box, PADDING, y));
    y += box.height + 2 * PADDING;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" role="img">
<style>${STYLE}</style>
<rect class="page" width="${width}" height="${y}"/>
${body.join("\n")}
</svg>
`;
}

const STYLE = `text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328}.title{font-weight:bold}
.page{fill:#fff}.job{fill:#f6f8fa;stroke:#8c959f}.call{fill:none;stroke:#8c959f;stroke-dasharray:4 3}.edge{fill:none;stroke:#8c959f;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.job{fill:#161b22;stroke:#6e7681}.call,.edge{stroke:#6e7681}}`;

interface Graph {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly Node[];
}

/** Its place is relative to its graph. */
interface Node {
  readonly job: GraphJob;
  readonly label: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly inner: Graph | undefined;
}

function layOut(stages: Stages): Graph {
  const placed = new Map<string, Node>();
  let x = 0;
  let height = 0;
  for (const jobs of stages) {
    const sized = jobs.map(sizeOf);
    const columnWidth = Math.max(...sized.map((node) => node.width));
    let y = 0;
    for (const node of sized.toSorted((a, b) => heightOfNeeds(a.job, placed) - heightOfNeeds(b.job, placed))) {
      placed.set(node.job.id, { ...node, x, y, width: columnWidth });
      y += node.height + GAP;
    }
    height = Math.max(height, y - GAP);
    x += columnWidth + COLUMN_GAP;
  }
  return { width: Math.max(0, x - COLUMN_GAP), height, nodes: [...placed.values()] };
}

function sizeOf(job: GraphJob): Omit<Node, "x" | "y"> {
  const label = labelOf(job);
  const inner = job.calls === undefined || job.calls.stages.length === 0 ? undefined : layOut(job.calls.stages);
  const width = Math.max(textWidth(label), inner?.width ?? 0) + 2 * PADDING;
  return { job, label, width, height: inner === undefined ? ROW : HEADING + inner.height + PADDING, inner };
}

/** Jobs stand near the height of what they need, so that few edges cross. */
function heightOfNeeds({ needs }: GraphJob, placed: ReadonlyMap<string, Node>): number {
  const centres = needs.flatMap((need) => {
    const node = placed.get(need);
    return node === undefined ? [] : [node.y + node.height / 2];
  });
  return centres.length === 0 ? 0 : centres.reduce((sum, centre) => sum + centre, 0) / centres.length;
}

function draw({ nodes }: Graph, left: number, top: number): string[] {
  const byId = new Map(nodes.map((node) => [node.job.id, node]));
  const before = ancestorsOf(nodes);
  const edges = nodes.flatMap((node) =>
    node.job.needs.flatMap((need) => {
      // What another need needs itself goes without saying, and would be a line behind its box.
      if (node.job.needs.some((other) => before.get(other)?.has(need) === true)) return [];
      const from = byId.get(need);
      return from === undefined ? [] : [edge(from, node, left, top)];
    }),
  );
  return [...edges, ...nodes.flatMap((node) => drawNode(node, left + node.x, top + node.y))];
}

/** By id, all that must have ended before; nodes stand after what they need. Empty for a graph too large to be looked at. */
function ancestorsOf(nodes: readonly Node[]): ReadonlyMap<string, ReadonlySet<string>> {
  const ancestors = new Map<string, Set<string>>();
  if (nodes.length > MAX_REDUCED_NODES) return ancestors;
  for (const { job } of nodes) {
    const inherited = job.needs.flatMap((need) => [...(ancestors.get(need) ?? [])]);
    ancestors.set(job.id, new Set([...job.needs, ...inherited]));
  }
  return ancestors;
}

function drawNode({ job, label, width, height, inner }: Node, x: number, y: number): string[] {
  const needs = job.needs.length === 0 ? "" : `needs ${job.needs.join(", ")}`;
  const title = [job.id, job.cells, job.calls?.uses ?? "", needs].filter((part) => part !== "").join(" ");
  return [
    `<g><title>${escape(title)}</title><rect class="${inner === undefined ? "job" : "call"}" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`,
    `<text x="${x + PADDING}" y="${y + 21}">${escape(label)}</text></g>`,
    ...(inner === undefined ? [] : draw(inner, x + PADDING, y + HEADING)),
  ];
}

function edge(from: Node, to: Node, left: number, top: number): string {
  const x1 = left + from.x + from.width;
  const y1 = top + from.y + (from.inner === undefined ? from.height / 2 : ROW / 2);
  const x2 = left + to.x;
  const y2 = top + to.y + (to.inner === undefined ? to.height / 2 : ROW / 2);
  const bend = COLUMN_GAP / 2;
  return `<path class="edge" d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}"/>`;
}

function labelOf({ id, cells, calls }: GraphJob): string {
  const called = calls === undefined ? "" : ` → ${calls.uses}`;
  return truncate(plainText(`${id}${cells === "" ? "" : ` (${cells})`}${called}`), MAX_LABEL_COLUMNS);
}

function textWidth(text: string): number {
  return Math.ceil(displayWidth(plainText(text)) * CHARACTER);
}

const references: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Half a surrogate pair and the two non-characters would make the whole document unreadable. */
function escape(text: string): string {
  return plainText(text)
    .toWellFormed()
    .replaceAll(/[\ufffe\uffff]/g, "")
    .replaceAll(/[&<>"']/g, (character) => references[character] ?? "");
}
