/**
 * What GitHub would keep of a repository beside git: issues and pull requests with all that hangs on them, checks, releases.
 * It begins with what the run's event speaks of and what the operator seeds, takes what jobs write, and goes with the run.
 * In memory, and bounded: what jobs can make it hold has a limit, after which writing is refused.
 */
import type { JsonObject } from "./api-message.ts";
import { ApiProblem } from "./api-message.ts";

export interface Entry {
  readonly id: number;
  /** What it hangs on: an issue's number, a commit, a release's id; empty for what stands alone. */
  readonly parent: string;
  readonly fields: JsonObject;
}

/** An issue, or a pull request, which is one with more to it. Labels by name, people by login. */
export interface Thread {
  readonly number: number;
  readonly kind: "issue" | "pull";
  readonly fields: JsonObject;
  readonly labels: readonly string[];
  readonly assignees: readonly string[];
}

const MAX_BYTES = 64 << 20;
const MAX_ENTRIES = 50_000;
/** Above what is made from names, so that both are told apart in a log. */
const FIRST_ID = 1_000_000_001;

export class ApiState {
  readonly #threads = new Map<number, Thread>();
  #left = { bytes: MAX_BYTES, entries: MAX_ENTRIES };
  #lastId = FIRST_ID - 1;

  readonly labels = this.#collection();
  readonly milestones = this.#collection();
  readonly comments = this.#collection();
  readonly reviews = this.#collection();
  readonly reviewComments = this.#collection();
  readonly reactions = this.#collection();
  readonly releases = this.#collection();
  readonly assets = this.#collection();
  readonly checkRuns = this.#collection();
  readonly statuses = this.#collection();
  readonly deployments = this.#collection();
  readonly deploymentStatuses = this.#collection();
  /** Annotated tags that were made as objects; their id is the entry's `sha`. */
  readonly tags = this.#collection();
  /** Contents of assets by their ids. */
  readonly assetBytes = new Map<number, Buffer>();
  /** Full name to an object's id; null for a ref that was deleted. */
  readonly refs = new Map<string, string | null>();

  nextId(): number {
    return (this.#lastId += 1);
  }

  /** Issues and pull requests, highest number first. */
  threads(): readonly Thread[] {
    return [...this.#threads.values()].toSorted((a, b) => b.number - a.number);
  }

  thread(number: number): Thread | undefined {
    return this.#threads.get(number);
  }

  /** Issues and pull requests share their numbers. */
  nextNumber(): number {
    return Math.max(0, ...this.#threads.keys()) + 1;
  }

  /** In place of the one with its number, if there is one. */
  putThread(thread: Thread): Thread {
    this.spend(JSON.stringify(thread).length);
    this.#threads.set(thread.number, thread);
    return thread;
  }

  /** Throws GitHub's refusal of who writes too much. Nothing is ever given back: a run is short. */
  spend(bytes: number): void {
    this.#left = { bytes: this.#left.bytes - bytes, entries: this.#left.entries - 1 };
    if (this.#left.bytes >= 0 && this.#left.entries >= 0) return;
    throw new ApiProblem(403, "You have exceeded a secondary rate limit: this run has written more than is kept");
  }

  #collection(): Collection {
    return new Collection(
      () => this.nextId(),
      (bytes) => this.spend(bytes),
    );
  }
}

/** In the order in which they were added. */
export class Collection {
  readonly #entries = new Map<number, Entry>();
  readonly #nextId: () => number;
  readonly #spend: (bytes: number) => void;

  constructor(nextId: () => number, spend: (bytes: number) => void) {
    this.#nextId = nextId;
    this.#spend = spend;
  }

  add(parent: string, fields: JsonObject, id = this.#nextId()): Entry {
    this.#spend(JSON.stringify(fields).length + 64);
    const entry = { id, parent, fields };
    this.#entries.set(id, entry);
    return entry;
  }

  all(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  of(parent: string): readonly Entry[] {
    return this.all().filter((entry) => entry.parent === parent);
  }

  get(id: number): Entry | undefined {
    return this.#entries.get(id);
  }

  /** The fields are laid over those that are there. Throws 404. */
  change(id: number, fields: JsonObject): Entry {
    const known = this.need(id);
    this.#spend(JSON.stringify(fields).length);
    const entry = { ...known, fields: { ...known.fields, ...fields } };
    this.#entries.set(id, entry);
    return entry;
  }

  /** Throws 404. */
  need(id: number): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new ApiProblem(404, "Not Found");
    return entry;
  }

  /** Throws 404. */
  remove(id: number): void {
    this.need(id);
    this.#entries.delete(id);
  }
}
