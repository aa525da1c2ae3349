/**
 * Actions of other repositories, looked up once in a command: a tag or branch means one commit for all that use it
 * (SECURITY-RELIABILITY A23). Loading is asynchronous, finding is not, since planning asks for them one by one.
 */
import type { Readable } from "node:stream";
import type { KnownAction } from "../action/choose-way.ts";
import { MANIFEST_FILES, MAX_MANIFEST_BYTES } from "../action/manifest.ts";
import { referenceKey, referenceOf, repositoryKey } from "../action/reference.ts";
import type { RemoteReference } from "../action/reference.ts";
import { isCommitId } from "../git/remote-cache.ts";
import { EngineError } from "../lib/engine-error.ts";
import { Semaphore } from "../lib/semaphore.ts";
import type { RemoteAction } from "../plan/plan.ts";
import type { ActionPlace } from "./action-places.ts";
import { nameOf } from "./reference-pins.ts";
import type { ReferencePins } from "./reference-pins.ts";
import { adviceFor, findByCommit, reasonOf } from "./repository-places.ts";
import type { RepositoryTree } from "./repository-tree.ts";

/** References of one command. GitHub has no limit of its own; a stranger's composite actions could name any number. */
const MAX_REFERENCES = 2_000;

/** Each is a few git processes. */
const MAX_AT_ONCE = 8;

type Opened = { readonly kind: "opened"; readonly tree: RepositoryTree } | Exclude<KnownAction, { kind: "found" }>;

export class ActionLibrary {
  readonly #places: readonly ActionPlace[];
  readonly #pins: ReferencePins;
  readonly #turns = new Semaphore(MAX_AT_ONCE);
  readonly #trees = new Map<string, Promise<Opened>>();
  readonly #loading = new Map<string, Promise<void>>();
  readonly #known = new Map<string, { readonly reference: RemoteReference; readonly known: KnownAction }>();

  constructor(places: readonly ActionPlace[], pins: ReferencePins) {
    this.#places = places;
    this.#pins = pins;
  }

  /** Undefined until it was loaded. */
  find(reference: RemoteReference): KnownAction | undefined {
    return this.#known.get(referenceKey(reference))?.known;
  }

  /** What was loaded. */
  all(): readonly { readonly reference: RemoteReference; readonly known: KnownAction }[] {
    return [...this.#known.values()];
  }

  /** Never rejects for what the reference is or where it cannot be found: that is what is known of it. */
  load(reference: RemoteReference): Promise<void> {
    const key = referenceKey(reference);
    const loading =
      this.#loading.get(key) ?? this.#load(reference).then((known) => void this.#known.set(key, { reference, known }));
    this.#loading.set(key, loading);
    return loading;
  }

  /** As `ActionSource.open`. Only of what was found here. */
  async open(action: RemoteAction): Promise<Readable> {
    const opened = await this.#trees.get(repositoryKey(referenceOf(action)));
    if (opened?.kind === "opened" && opened.tree.from.sha === action.sha) return opened.tree.archive();
    const what = `${action.repository}@${action.ref} at commit ${action.sha}`;
    throw new EngineError("ACTION_UNAVAILABLE", `Cannot open ${what}: it was not found while planning`);
  }

  async #load(reference: RemoteReference): Promise<KnownAction> {
    using _ = await this.#turns.acquire();
    const opened = await this.#open(reference);
    if (opened.kind !== "opened") return opened;
    const { tree } = opened;
    const { repository, ref, sha } = tree.from;
    const action: RemoteAction = { repository, path: reference.path, ref, sha };
    const directory = reference.path === "" ? "" : `${reference.path}/`;
    try {
      const paths = MANIFEST_FILES.map((file) => `${directory}${file}`);
      const first = await tree.readFirst(paths, MAX_MANIFEST_BYTES);
      if (first === undefined) return { kind: "found", action, manifest: undefined };
      const { path, content } = first;
      if (content.kind !== "text") {
        return { kind: "stopped", fault: `has a ${path} of more than ${MAX_MANIFEST_BYTES} bytes`, fix: "use another" };
      }
      const fault = this.#pins.faultOfFile(reference, path, content.text);
      if (fault !== undefined) return { kind: "stopped", ...fault };
      return { kind: "found", action, manifest: { path, text: content.text } };
    } catch (error) {
      return { kind: "missing", fault: "cannot be read", fix: reasonOf(error) };
    }
  }

  #open(reference: RemoteReference): Promise<Opened> {
    const key = repositoryKey(reference);
    const known = this.#trees.get(key);
    if (known !== undefined) return known;
    const opened: Promise<Opened> =
      this.#trees.size < MAX_REFERENCES
        ? this.#look(reference)
        : Promise.resolve({ kind: "stopped", fault: `is beyond ${MAX_REFERENCES} in one command`, fix: "use fewer" });
    this.#trees.set(key, opened);
    return opened;
  }

  async #look(reference: RemoteReference): Promise<Opened> {
    const unpinned = this.#pins.faultOf(reference);
    if (unpinned !== undefined) {
      const { fault, fix, replaceable } = unpinned;
      return { kind: replaceable === true ? "missing" : "stopped", fault, fix };
    }
    const tried: string[] = [];
    let outdated: Opened | undefined;
    for (const { find, kind } of this.#places) {
      const tree = await find(reference);
      if (typeof tree !== "object") {
        const locked = await findByCommit(reference, this.#pins.commitOf(reference), find);
        if (locked !== undefined) return { kind: "opened", tree: locked };
        if (tree !== undefined) tried.push(tree);
        continue;
      }
      const moved = this.#pins.faultOfCommit(reference, tree.from.sha);
      if (moved === undefined) {
        await this.#noteUnreachable(reference, tree);
        return { kind: "opened", tree };
      }
      // What was remembered may be what is out of date, rather than the lock.
      if (kind !== "kept") return { kind: "stopped", ...moved };
      outdated ??= { kind: "stopped", ...moved };
    }
    if (outdated !== undefined) return outdated;
    return this.#places.some(({ kind }) => kind === "server") ? missing(reference, tried) : notFetched(tried);
  }

  /** What was reviewed and locked needs no doubt. */
  async #noteUnreachable(reference: RemoteReference, tree: RepositoryTree): Promise<void> {
    if (!isCommitId(reference.ref) || this.#pins.commitOf(reference) !== undefined) return;
    if ((await tree.isReachable()) !== false) return;
    const { owner, name } = reference;
    const message = `No branch or tag of ${owner}/${name} is known to lead to this commit: it may be of a fork, so look at it`;
    this.#pins.warn(reference, nameOf(reference), message);
  }
}

function missing(reference: RemoteReference, tried: readonly string[]): Opened {
  return { kind: "missing", fault: "cannot be had", fix: `${tried.join("; ")}. ${adviceFor(reference)}` };
}

function notFetched(tried: readonly string[]): Opened {
  const fix = ["hearth run fetches it, and hearth actions fetch before that", ...tried].join("; ");
  return { kind: "missing", fault: "is not fetched yet", fix };
}
