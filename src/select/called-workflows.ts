/**
 * Finds the files that jobs call, and those that these call, before planning begins: planning asks for them one by one and reads
 * nothing itself. Every file is read once, and a tag or branch means one commit for the whole command (SECURITY-RELIABILITY A23).
 * GitHub's limits bound the work here; that a run goes beyond them is told where it is planned.
 * Source: https://docs.github.com/en/actions/reference/workflows-and-actions/reusing-workflow-configurations
 */
import type { FileContent } from "../git/file-at-commit.ts";
import type { CalledWorkflow, CalledWorkflows } from "../plan/called-workflow.ts";
import type { WorkflowOrigin } from "../plan/plan.ts";
import { CALL_LIMITS } from "../workflow/call-limits.ts";
import { READ_LIMITS } from "../workflow/limits.ts";
import { readWorkflow } from "../workflow/read-workflow.ts";
import type { ReadResult } from "../workflow/read-workflow.ts";
import type { Workflow } from "../workflow/workflow.ts";
import { reasonOf } from "./repository-places.ts";
import { parseWorkflowReference } from "./workflow-reference.ts";
import type { RemoteReference } from "./workflow-reference.ts";

/** A repository's files at one commit, or as they are in the working tree. */
export interface WorkflowTree {
  /** Undefined for the working tree: where that is from, its caller knows. */
  readonly from: Omit<WorkflowOrigin, "path"> | undefined;
  /** `path` is directly in `.github/workflows`. Rejects with an `EngineError` when the file cannot be had. */
  read(path: string): Promise<FileContent>;
}

export interface RemoteTree extends WorkflowTree {
  readonly from: Omit<WorkflowOrigin, "path">;
}

export interface WorkflowSources {
  readonly workingTree: WorkflowTree;
  /** A sentence in place of a tree says why there is none, and what to do. Asked once for each reference. */
  open(reference: RemoteReference): Promise<RemoteTree | string>;
}

export interface CallingWorkflow {
  readonly workflow: Workflow;
  /** The event starts it. What others call in other repositories is not looked for. */
  readonly starts: boolean;
}

/** Beyond what GitHub allows by one, so that planning sees what is too much. */
const MAX_LEVELS = CALL_LIMITS.nestedCalls + 1;
const MAX_FILES = CALL_LIMITS.calledFiles + 1;

export async function loadCalledWorkflows(
  callers: readonly CallingWorkflow[],
  sources: WorkflowSources,
): Promise<CalledWorkflows> {
  const library = new Library(sources);
  await Promise.all(callers.map((caller) => library.load(caller)));
  return (uses, origin) => library.find(uses, origin);
}

/** `tree` is where the found file is from, and what its own `./` means. */
interface Found {
  readonly called: CalledWorkflow;
  readonly tree: WorkflowTree;
}

class Library {
  readonly #sources: WorkflowSources;
  readonly #trees = new Map<string, Promise<WorkflowTree | string>>();
  readonly #files = new Map<string, Promise<ReadResult | string>>();
  readonly #loading = new Map<string, Promise<Found>>();
  readonly #loaded = new Map<string, CalledWorkflow>();
  /** Known again by identity: one that looks the same may be the working tree's. */
  readonly #treeOfOrigin = new Map<WorkflowOrigin, WorkflowTree>();

  constructor(sources: WorkflowSources) {
    this.#sources = sources;
  }

  /** Breadth first: of too many files it is the deepest that are left out. */
  async load({ workflow, starts }: CallingWorkflow): Promise<void> {
    const seen = new Set<string>();
    let level: readonly (readonly [Workflow, WorkflowTree])[] = [[workflow, this.#sources.workingTree]];
    for (let depth = 1; depth <= MAX_LEVELS && level.length > 0; depth++) {
      const calls: Promise<Found>[] = [];
      for (const [caller, tree] of level) {
        for (const uses of usesOf(caller)) {
          const key = keyOf(tree, uses);
          if (seen.has(key) || seen.size >= MAX_FILES || (!starts && !isLocal(uses))) continue;
          seen.add(key);
          calls.push(this.#load(key, uses, tree));
        }
      }
      level = (await Promise.all(calls)).flatMap(({ called, tree }) =>
        called.kind === "found" && called.read.kind === "read" ? [[called.read.workflow, tree] as const] : [],
      );
    }
  }

  find(uses: string, caller: WorkflowOrigin): CalledWorkflow {
    const tree = this.#treeOfOrigin.get(caller) ?? this.#sources.workingTree;
    const called = this.#loaded.get(keyOf(tree, uses));
    if (called === undefined) return { kind: "missing", message: cannotFind(uses, NOT_LOOKED_FOR) };
    if (called.kind !== "found" || this.#treeOfOrigin.has(called.origin)) return called;
    // What the working tree calls in itself is from where its caller is.
    return { ...called, origin: { ...caller, path: called.path } };
  }

  #load(key: string, uses: string, caller: WorkflowTree): Promise<Found> {
    return remembered(this.#loading, key, async () => {
      const found = await this.#lookUp(uses, caller);
      this.#loaded.set(key, found.called);
      return found;
    });
  }

  async #lookUp(uses: string, caller: WorkflowTree): Promise<Found> {
    const reference = parseWorkflowReference(uses);
    if (reference.kind === "invalid") {
      const message = `Invalid workflow reference '${uses}': ${reference.reason}`;
      return { called: { kind: "invalid", message }, tree: caller };
    }
    const { path } = reference;
    const tree = reference.kind === "local" ? caller : await this.#open(reference.repository);
    if (typeof tree === "string") {
      return { called: { kind: "missing", message: cannotFind(uses, tree) }, tree: caller };
    }
    const name = nameOf(tree, path);
    const read = await remembered(this.#files, name, () => readFrom(tree, path, name));
    if (typeof read === "string") {
      // What the working tree lacks GitHub will not find either; of another repository we may know too little.
      const kind = tree.from === undefined ? "invalid" : "missing";
      return { called: { kind, message: cannotFind(uses, read) }, tree };
    }
    const origin: WorkflowOrigin = { repository: "", ref: "", sha: "", ...tree.from, path };
    if (tree.from !== undefined) this.#treeOfOrigin.set(origin, tree);
    return { called: { kind: "found", path: name, read, origin }, tree };
  }

  #open(reference: RemoteReference): Promise<WorkflowTree | string> {
    const { owner, name, ref } = reference;
    const key = `${owner}/${name}`.toLowerCase() + `@${ref}`;
    return remembered(this.#trees, key, () => this.#sources.open(reference));
  }
}

const NOT_LOOKED_FOR = "it was not looked for, as the event starts nothing that may call it";

async function readFrom(tree: WorkflowTree, path: string, name: string): Promise<ReadResult | string> {
  try {
    const content = await tree.read(path);
    if (content.kind === "missing") return `there is no ${name}`;
    const text = content.kind === "text" ? content.text : " ".repeat(READ_LIMITS.characters + 1);
    return readWorkflow(name, text);
  } catch (error) {
    return reasonOf(error);
  }
}

function nameOf({ from }: WorkflowTree, path: string): string {
  return from === undefined ? path : `${from.repository}/${path}@${from.ref}`;
}

function keyOf({ from }: WorkflowTree, uses: string): string {
  return from === undefined ? uses : `${from.repository}@${from.ref} ${uses}`;
}

function usesOf({ jobs }: Workflow): readonly string[] {
  return jobs.flatMap((job) => (job.kind === "call" ? [job.uses] : []));
}

function isLocal(uses: string): boolean {
  return parseWorkflowReference(uses).kind !== "remote";
}

function cannotFind(uses: string, reason: string): string {
  return `Cannot find the workflow '${uses}': ${reason}`;
}

function remembered<T>(known: Map<string, Promise<T>>, key: string, find: () => Promise<T>): Promise<T> {
  const found = known.get(key) ?? find();
  known.set(key, found);
  return found;
}
