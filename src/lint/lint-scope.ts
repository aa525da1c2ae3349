/**
 * What a step can read: the variables and the matrix around it, which may hold what others wrote, and the inputs it is given.
 */
import { parseExpression } from "../expression/parse-expression.ts";
import type { MappingTemplate, Template } from "../expression/template.ts";
import { ANY, distinctReads, readsOf } from "./reads.ts";
import type { Read } from "./reads.ts";
import { writerOf } from "./untrusted.ts";
import type { Writer } from "./untrusted.ts";

export interface LintScope {
  /** Innermost first. */
  readonly env: readonly (Template | undefined)[];
  readonly matrix: Template | undefined;
  /** Those that may hold any text, by name in lower case, with who gives them. */
  readonly textInputs: ReadonlyMap<string, "starter" | "caller">;
}

/** Something that others write, found in an expression. */
export interface Taint {
  /** `starter`: a person with workflow_dispatch. `caller`: what calls the workflow or uses the action, which is often the repository itself. */
  readonly writer: Writer | "starter" | "caller";
  /** As in `reads.ts`: `github.event.issue.title`. */
  readonly source: string;
  /** The variable or matrix key that holds it, where it is not read directly: `env.TITLE`. */
  readonly through: string | undefined;
}

/** What others wrote and the expression gives on, each once. It is found again in what the expression reads. */
export function taintsOf(reads: readonly Read[], scope: LintScope): readonly Taint[] {
  const taints = distinctReads(reads).flatMap((read) => taintsOfRead(read, scope));
  return taints.filter((taint, index) => taints.findIndex((other) => other.source === taint.source) === index);
}

/** The reads of an expression, and those of what it reads from variables and the matrix. */
export function resolvedReads(reads: readonly Read[], scope: LintScope): readonly Read[] {
  return distinctReads(reads).flatMap((read) => [
    read,
    ...heldBy(read, scope).flatMap(({ reads: held, scope: outer }) => resolvedReads(held, outer)),
  ]);
}

function taintsOfRead(read: Read, scope: LintScope): readonly Taint[] {
  const source = read.text;
  const writer = giverOfInput(read, scope) ?? writerOf(read);
  if (writer !== undefined) return [{ writer, source, through: undefined }];
  return heldBy(read, scope).flatMap(({ reads, scope: outer }) =>
    taintsOf(reads, outer).map((taint) => ({ ...taint, through: source })),
  );
}

function giverOfInput({ path, whole }: Read, { textInputs }: LintScope): "starter" | "caller" | undefined {
  const [context, name] = path[0] === "github" && path[1] === "event" ? path.slice(2) : path;
  if (context !== "inputs") return undefined;
  if (name !== undefined && name !== ANY) return textInputs.get(name);
  const givers = name === ANY || whole ? [...textInputs.values()] : [];
  return givers.find((giver) => giver === "starter") ?? givers[0];
}

interface Held {
  readonly reads: readonly Read[];
  /** What the expression that is held can itself read. */
  readonly scope: LintScope;
}

function heldBy({ path: [context, name], whole }: Read, scope: LintScope): readonly Held[] {
  if (name === undefined && !whole) return [];
  const wanted = name === ANY ? undefined : name;
  if (context === "matrix" && scope.matrix !== undefined) {
    return [{ reads: readsOfMatrix(scope.matrix, wanted), scope: { ...scope, env: [], matrix: undefined } }];
  }
  if (context !== "env") return [];
  const layers = scope.env.flatMap((env, depth) =>
    env === undefined || (wanted !== undefined && entriesNamed(env, wanted).length === 0)
      ? []
      : [{ reads: readsOfEntries(env, wanted), scope: { ...scope, env: scope.env.slice(depth + 1) } }],
  );
  // What is nearer hides what is further out, but not from who reads all.
  return wanted === undefined ? layers : layers.slice(0, 1);
}

/** An axis, and what `include` adds under the same name. */
function readsOfMatrix(matrix: Template, name: string | undefined): readonly Read[] {
  const includes = entriesNamed(matrix, "include").flatMap((include) =>
    include.kind === "sequence" ? include.items : [include],
  );
  return distinctReads([
    ...readsOfEntries(matrix, name),
    ...includes.flatMap((include) => readsOfEntries(include, name)),
  ]);
}

/** Of the entry of a mapping, or of all; an expression in its place may hold any. */
function readsOfEntries(template: Template, name: string | undefined): readonly Read[] {
  return name === undefined ? readsIn(template) : distinctReads(entriesNamed(template, name).flatMap(readsIn));
}

const NO_TEMPLATES: readonly Template[] = [];

function entriesNamed(template: Template, name: string): readonly Template[] {
  if (template.kind === "expression") return [template];
  if (template.kind !== "mapping") return NO_TEMPLATES;
  const known = entriesByName.get(template) ?? indexEntries(template);
  entriesByName.set(template, known);
  return known.get(name) ?? NO_TEMPLATES;
}

function indexEntries({ entries }: MappingTemplate): ReadonlyMap<string, readonly Template[]> {
  const named = Map.groupBy(entries, ({ key }) => (key.kind === "literal" ? String(key.value).toLowerCase() : ""));
  return new Map([...named].map(([name, same]) => [name, same.map(({ value }) => value)]));
}

/** Of every expression below; the value is a list or text that is read as a whole. */
function readsIn(template: Template): readonly Read[] {
  const known = readsByTemplate.get(template) ?? distinctReads(findReads(template));
  readsByTemplate.set(template, known);
  return known;
}

function findReads(template: Template): readonly Read[] {
  if (template.kind === "expression") return readsOf(parseExpression(template.expression));
  if (template.kind === "sequence") return template.items.flatMap(readsIn);
  return template.kind === "mapping" ? template.entries.flatMap(({ value }) => readsIn(value)) : [];
}

/** Many steps read the same few variables, or in somebody else's file the same many. */
const readsByTemplate = new WeakMap<Template, readonly Read[]>();
const entriesByName = new WeakMap<MappingTemplate, ReadonlyMap<string, readonly Template[]>>();
