/**
 * Which files the step of `hearth flake` touches, and which differ between a success and a failure: told from the first machine of each,
 * kept as the step left it. What they wrote is compared, not what they say.
 */
import type { ForkDirectories, ForkDirectory } from "../engine/matrix-fork-directories.ts";
import type { EndedMachine } from "../engine/resumption.ts";
import { Masker } from "../joblog/masker.ts";
import { EngineError } from "../lib/engine-error.ts";
import { compareKept } from "./compare-kept.ts";
import { touchedFiles } from "./diff-document.ts";
import type { DiffFile } from "./diff-document.ts";
import type { Hearth } from "./hearth.ts";
import type { OpenKept } from "./open-moment.ts";

/** Part of what `hearth flake --json` prints. */
export interface FlakeFiles {
  /** By one trial: of the failures if there are any. */
  readonly touched?: { readonly trial: number; readonly files: readonly DiffFile[] };
  /** From a success to a failure. */
  readonly differing?: { readonly success: number; readonly failure: number; readonly files: readonly DiffFile[] };
  /** Why there is no more, where there could be. */
  readonly unknown?: string;
}

type Kind = "success" | "failure";

interface KeptTrial {
  readonly trial: number;
  readonly directory: ForkDirectory;
}

/** Disposal removes the machines that were kept. */
export class FlakeMachines implements AsyncDisposable {
  readonly #places: ForkDirectories;
  readonly #before: OpenKept;
  readonly #kept = new Map<Kind, KeptTrial>();
  readonly #taken = new Set<Kind>();
  #unknown: string | undefined;

  /** `before`: the moment that all trials go on from. */
  constructor(places: ForkDirectories, before: OpenKept) {
    this.#places = places;
    this.#before = before;
  }

  /** The first machine of its kind is saved; of the others nothing is. Never throws for what machines do. */
  async keep(kind: Kind, trial: number, machine: EndedMachine, signal: AbortSignal): Promise<void> {
    if (this.#taken.has(kind)) return;
    this.#taken.add(kind);
    try {
      const directory = await this.#places.make(this.#before.checkpoint.machineBytes);
      this.#kept.set(kind, { trial, directory });
      const failure = await machine.save?.(directory.path, signal);
      if (failure === undefined) return;
      this.#unknown = failure;
    } catch (error) {
      this.#unknown = reasonOf(error);
    }
    await this.#drop(kind);
  }

  /** To be called when no trial runs any more. Empty when the signal is aborted. */
  async compare(hearth: Hearth, signal: AbortSignal): Promise<FlakeFiles> {
    const [success, failure] = [this.#kept.get("success"), this.#kept.get("failure")];
    const one = failure ?? success;
    if (signal.aborted) return {};
    const why = this.#unknown === undefined ? {} : { unknown: this.#unknown };
    if (one === undefined) return why;
    const filesOf = async (from: OpenKept, to: OpenKept): Promise<readonly DiffFile[]> => {
      const wish = { prefix: "flake", directory: undefined, contentBytes: undefined };
      const masker = Masker.restore(this.#before.saved.masks);
      return touchedFiles({ ...(await compareKept(hearth, [from, to], wish, signal)), masker });
    };
    try {
      const touched = { trial: one.trial, files: await filesOf(this.#before, this.#after(one)) };
      if (success === undefined || failure === undefined) return { touched, ...why };
      const files = await filesOf(this.#after(success), this.#after(failure));
      return { touched, differing: { success: success.trial, failure: failure.trial, files } };
    } catch (error) {
      return signal.aborted ? {} : { unknown: reasonOf(error) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((kind) => this.#drop(kind)));
  }

  #after({ directory }: KeptTrial): OpenKept {
    return { ...this.#before, directory: directory.path };
  }

  async #drop(kind: Kind): Promise<void> {
    const kept = this.#kept.get(kind);
    this.#kept.delete(kind);
    await kept?.directory[Symbol.asyncDispose]();
  }
}

function reasonOf(error: unknown): string {
  // A full disk, a machine that is lost: the verdict stands without it.
  if (error instanceof EngineError || (error instanceof Error && "code" in error)) return error.message;
  throw error;
}
