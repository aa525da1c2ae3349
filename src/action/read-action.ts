/**
 * What an action's manifest says of its way, wherever the manifest was found. What cannot be read, and what only containers can
 * run, is `unsupported`. Pure.
 */
import type { RemoteAction, Way } from "../plan/plan.ts";
import type { Step } from "../workflow/workflow.ts";
import { readManifest } from "./manifest.ts";
import { referenceOf, referenceText } from "./reference.ts";

export interface ManifestFile {
  readonly path: string;
  readonly text: string;
}

/** Of another repository. Without a manifest its directory holds no action. */
export interface FoundAction {
  readonly action: RemoteAction;
  readonly manifest: ManifestFile | undefined;
}

/** A composite action's way depends on where it is used; that of the others does not. */
export type ReadAction =
  | {
      readonly kind: "composite";
      readonly path: string;
      readonly action: RemoteAction | undefined;
      readonly label: string;
      readonly steps: readonly Step[];
    }
  | { readonly kind: "way"; readonly way: Way }
  /** Only a container can run it; `manifest` is its text. */
  | { readonly kind: "container"; readonly way: Way; readonly manifest: string | undefined };

/** Undefined for a manifest that is not there now: a step may write it. */
export function readLocalAction(directory: string, manifest: ManifestFile | undefined): ReadAction {
  if (manifest === undefined) return { kind: "way", way: { kind: "local", path: directory } };
  const file = { ...manifest, place: manifest.path };
  return readAction(file, { path: directory, action: undefined, label: directory, uses: `./${directory}` });
}

export function readRemoteAction({ action, manifest }: FoundAction): ReadAction {
  const uses = referenceText(referenceOf(action));
  if (manifest === undefined) {
    const what = `the action '${uses}', which has no action.yml, action.yaml or Dockerfile at commit ${action.sha},`;
    return { kind: "way", way: unsupported(what, "correct its path or version") };
  }
  const file = { ...manifest, place: `${manifest.path} of ${action.repository}@${action.ref}` };
  return readAction(file, { path: action.path, action, label: uses, uses });
}

interface ActionPlace {
  readonly path: string;
  readonly action: RemoteAction | undefined;
  readonly label: string;
  readonly uses: string;
}

function readAction(file: ManifestFile & { readonly place: string }, at: ActionPlace): ReadAction {
  const { path, action, label } = at;
  const docker = unsupported(`the container action '${at.uses}'`, "run what its image runs in run: steps");
  if (/(?:^|\/)dockerfile$/iu.test(file.path)) return { kind: "container", way: docker, manifest: undefined };
  const read = readManifest(file.path, file.text);
  if (read.kind === "refused") {
    const reason = read.diagnostics[0]?.message ?? "the reader gave no reason";
    return { kind: "way", way: unsupported(`the manifest ${file.place}, which cannot be read,`, reason) };
  }
  const { runs } = read.manifest;
  if (runs.kind === "docker") return { kind: "container", way: docker, manifest: file.text };
  if (runs.kind === "composite") return { kind: "composite", path, action, label, steps: runs.steps };
  return { kind: "way", way: { kind: "javascript", using: runs.using, path, action } };
}

export function unsupported(what: string, fix: string): Way {
  return { kind: "unsupported", what, fix };
}
