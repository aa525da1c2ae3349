/**
 * What the lock file has to say of a reference: which commit it must mean, and whether it may be used at all. The same for actions
 * and called workflows. Also collects, once for each, what is to be said without stopping anything.
 */
import { repositoryKey } from "../action/reference.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { hashOf, LOCK_FILE, lockEntryOf } from "./lock.ts";
import type { Lock, LockEntry } from "./lock.ts";
import type { RemoteReference } from "./workflow-reference.ts";

/** Completes "…, which …, is unsupported". */
export interface PinFault {
  readonly fault: string;
  readonly fix: string;
  /** A translation that the lock file pins may stand in, as for an action that cannot be had. */
  readonly replaceable?: true;
}

export interface PinOptions {
  /** What the lock file does not know must not be used. */
  readonly locked: boolean;
  /** The same, but what it pins a translation of needs no commit. */
  readonly frozen?: boolean;
  /** The run's own repository: its branches move with every commit, and what they hold is reviewed in it. */
  readonly own: { readonly owner: string; readonly name: string };
}

const RELOCK = "look at what changed, then run hearth lock";

export class ReferencePins {
  readonly #lock: Lock | undefined;
  readonly #options: PinOptions;
  readonly #warnings = new Map<string, Diagnostic>();

  constructor(lock: Lock | undefined, options: PinOptions) {
    this.#lock = lock;
    this.#options = options;
  }

  get warnings(): readonly Diagnostic[] {
    return [...this.#warnings.values()];
  }

  /** Undefined where nothing says. */
  commitOf(reference: RemoteReference): string | undefined {
    return this.#entryOf(reference)?.commit;
  }

  /** Before anything is looked for. */
  faultOf(reference: RemoteReference): PinFault | undefined {
    if (this.isOwn(reference) || this.#entryOf(reference) !== undefined) return undefined;
    const where = this.#lock === undefined ? `, and there is no ${LOCK_FILE}` : ` in ${LOCK_FILE}`;
    if (this.#options.frozen === true) {
      const fix = "run hearth lock or hearth translate --write, and review what it writes";
      return { fault: `is not pinned${where} (--frozen)`, fix, replaceable: true };
    }
    if (this.#options.locked) {
      return { fault: `is not pinned${where} (--locked)`, fix: "run hearth lock, and review what it writes" };
    }
    if (this.#lock !== undefined && !pinsTranslationsAlone(this.#lock)) {
      this.warn(reference, LOCK_FILE, `${nameOf(reference)} is not pinned: hearth lock adds it`);
    }
    return undefined;
  }

  /** `sha` is what it means where it was found. */
  faultOfCommit(reference: RemoteReference, sha: string): PinFault | undefined {
    const commit = this.commitOf(reference);
    if (commit === undefined || commit === sha) return undefined;
    return { fault: `has moved: ${LOCK_FILE} has commit ${commit}, it now means ${sha}`, fix: RELOCK };
  }

  /** A file that was not locked is of a commit that was; of an archive only its own word says so. */
  faultOfFile(reference: RemoteReference, path: string, text: string): PinFault | undefined {
    const hash = this.#entryOf(reference)?.files[path];
    if (hash === undefined || hash === hashOf(text)) return undefined;
    return { fault: `has another ${path} than ${LOCK_FILE} knows of this commit`, fix: RELOCK };
  }

  isOwn({ owner, name }: RemoteReference): boolean {
    const { own } = this.#options;
    return `${owner}/${name}`.toLowerCase() === `${own.owner}/${own.name}`.toLowerCase();
  }

  #entryOf(reference: RemoteReference): LockEntry | undefined {
    if (this.#lock === undefined || this.isOwn(reference)) return undefined;
    return lockEntryOf(this.#lock, reference);
  }

  warn(reference: RemoteReference, file: string, message: string): void {
    const warning = { kind: "warning", file, at: undefined, key: undefined, message } as const;
    this.#warnings.set(`${repositoryKey(reference)} ${file}`, warning);
  }
}

export function nameOf({ owner, name, ref }: RemoteReference): string {
  return `${owner}/${name}@${ref}`;
}

/** It says nothing of commits. */
function pinsTranslationsAlone({ uses, translations = [] }: Lock): boolean {
  return Object.keys(uses).length === 0 && translations.length > 0;
}
