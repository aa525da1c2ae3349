/**
 * The way each step will run, decided before anything does. Manifests of local actions are read through `lookup` from the
 * repository as it is now; one that is not there may be written by a step, so it is `local` and read when it is reached. Those
 * of other repositories were found before (`known`). For each: policy, the real action, a built-in, a translation, else
 * `unsupported` with what to do instead; nothing falls through. Source: DESIGN §4, ACTIONS-CONTRACT §4.1.
 */
import { unreachable } from "../lib/unreachable.ts";
import type { WayChooser } from "../plan/plan-jobs.ts";
import type { RemoteAction, Way } from "../plan/plan.ts";
import type { Job, Step, UsesStep } from "../workflow/workflow.ts";
import { builtinFor } from "./builtins.ts";
import type { PolicyFault } from "./policy.ts";
import { readLocalAction, readRemoteAction, unsupported } from "./read-action.ts";
import type { FoundAction, ManifestFile, ReadAction } from "./read-action.ts";
import { parseActionReference, referenceKey, referenceOf } from "./reference.ts";
import type { RemoteReference } from "./reference.ts";
import { stepUse, translatedWay } from "./translated-way.ts";
import type { FindTranslation, TranslationWish } from "./translated-way.ts";

/**
 * Finds the manifest (action.yml, action.yaml, Dockerfile, dockerfile, in this order) in a directory of the repository, given
 * relative to its root, `.` for the root itself. Undefined when there is none.
 */
export type ManifestLookup = (directory: string) => ManifestFile | undefined;

/** What is known of an action in another repository. */
export type KnownAction =
  | ({ readonly kind: "found" } & FoundAction)
  /** It cannot be had; a built-in may stand in. `fault` completes "the action 'x', which …, is unsupported". */
  | { readonly kind: "missing"; readonly fault: string; readonly fix: string }
  /** It must not be used, and nothing may stand in for it. */
  | { readonly kind: "stopped"; readonly fault: string; readonly fix: string };

export interface WayOptions {
  /** False: `actions/checkout` is an action like others. */
  readonly builtins: boolean;
  /** Undefined for a reference that nobody has looked for. */
  readonly known?: ((reference: RemoteReference) => KnownAction | undefined) | undefined;
  readonly policy?: ((reference: RemoteReference) => PolicyFault | undefined) | undefined;
  /** Whether a file that is from there is of the run's own repository, which `lookup` reads. */
  readonly isOwn?: ((from: RemoteAction) => boolean) | undefined;
  /** Asked only for what cannot run otherwise, and for what `translatesAlways` names. */
  readonly translated?: FindTranslation | undefined;
  /** Where the operator wants steps rather than the action; says where that is said. */
  readonly translatesAlways?: ((reference: RemoteReference) => string | undefined) | undefined;
}

/** GitHub's figure: a composite action may nest nine more. */
const MAX_NESTING = 10;

/** Steps within one `uses:` altogether. Actions that each use another many times over multiply; this bounds what a plan holds. */
const MAX_NESTED_STEPS = 1_000;

/** `inside` is what says it, where that is in a repository at a commit: what `$/` leads into. Of a workflow its path counts for nothing. */
/** `job` is the one that the step is declared in. */
export type StepWayChooser = (step: Step, inside: RemoteAction | undefined, job?: Job) => Way;

/** A chooser reads each manifest once. */
export function createWayChooser(lookup: ManifestLookup, options: WayOptions): WayChooser {
  return ofWorkflows(createStepWayChooser(lookup, options));
}

export function ofWorkflows(choose: StepWayChooser): WayChooser {
  return (step, job, { repository, ref, sha }) => choose(step, { repository, path: "", ref, sha }, job);
}

export function createStepWayChooser(lookup: ManifestLookup, options: WayOptions): StepWayChooser {
  const readAction = remembered(
    (directory: string) => directory,
    (directory) => readLocalAction(directory, lookup(directory)),
  );
  const readFound = remembered(({ action }: FoundAction) => referenceKey(referenceOf(action)), readRemoteAction);
  const choose = (step: Step, inside: RemoteAction | undefined, job: Job | undefined): Way =>
    chooseWay(step, {
      ...options,
      lookup,
      readAction,
      readFound,
      inside,
      job,
      parents: [],
      budget: { steps: MAX_NESTED_STEPS },
    });
  const chosen = new Map<string, Way>();
  return (step, inside, job) => {
    if (step.kind !== "uses") return choose(step, inside, job);
    const key = step.uses.startsWith("$/") ? `${inside?.repository}@${inside?.sha} ${step.uses}` : step.uses;
    const known = chosen.get(key);
    if (known !== undefined) return known;
    const way = choose(step, inside, job);
    // Whether an action can be translated, and how, depends on the step too.
    if (way.kind !== "translated" && way.kind !== "unsupported") chosen.set(key, way);
    return way;
  };
}

interface Choice extends WayOptions {
  readonly lookup: ManifestLookup;
  readonly readAction: (directory: string) => ReadAction;
  readonly readFound: (found: FoundAction) => ReadAction;
  /** The action around the step, where that is of another repository. */
  readonly inside: RemoteAction | undefined;
  /** Undefined within an action, and where the run meets a step first. */
  readonly job: Job | undefined;
  /** The composite actions around the step, outermost first. */
  readonly parents: readonly string[];
  /** Counts down while one declared step is looked into. */
  readonly budget: { steps: number };
}

function chooseWay(step: Step, choice: Choice): Way {
  if (step.kind !== "uses") return wayWithoutManifest(step);
  const reference = parseActionReference(step.uses);
  if (reference.kind === "remote") return chooseRemote(reference, step, choice);
  if (reference.kind === "own" && choice.inside !== undefined) {
    return chooseOwn(reference.path, choice.inside, step, choice);
  }
  const way = wayWithoutManifest(step, choice.builtins);
  return way.kind === "local" ? wayOf(choice.readAction(way.path), choice) : way;
}

/** What the step says by itself: for an action of the repository only where it is. Also asked for steps that a run meets first. */
export function wayWithoutManifest(step: Step, builtins = true): Way {
  if (step.kind === "run") return { kind: "run" };
  if (step.kind === "control") return { kind: "control", control: step.control };
  const { uses } = step;
  const reference = parseActionReference(uses);
  switch (reference.kind) {
    case "local":
      return { kind: "local", path: reference.path };
    case "outside": {
      const what = `the path '${uses}', which leads outside the repository,`;
      return unsupported(what, "move the action into the repository");
    }
    case "docker":
      return unsupported(`the container action '${uses}'`, "run what the image runs in a run: step");
    case "own":
      return ownFormUnsupported(reference.path, uses);
    case "invalid":
      return unsupported(`the reference '${uses}'`, reference.reason);
    case "remote": {
      const rule = builtins ? builtinFor(reference) : undefined;
      return rule === undefined ? unknownAction(uses) : { kind: "builtin", builtin: rule.builtin };
    }
    default:
      return unreachable(reference);
  }
}

function chooseRemote(reference: RemoteReference, step: UsesStep, choice: Choice): Way {
  const { uses } = step;
  // Before anything else: steps that stand for an action are its owner's doing too, and may fetch what is theirs.
  const denied = choice.policy?.(reference);
  if (denied !== undefined) return unsupported(`the action '${uses}', which ${denied.fault},`, denied.fix);
  const always = choice.translatesAlways?.(reference);
  const rule = choice.builtins ? builtinFor(reference) : undefined;
  if (always === undefined && rule?.first === true) return { kind: "builtin", builtin: rule.builtin };
  const known = choice.known?.(reference);
  // Reading what the job does with the step is not free, and seldom needed.
  const wish = (found: Pick<TranslationWish, "sha" | "manifest">): TranslationWish => {
    return { reference, ...found, use: stepUse(step, choice.job) };
  };
  if (known?.kind === "found") {
    const read = choice.readFound(known);
    if (read.kind !== "container" && always === undefined) return wayOf(read, choice);
    const instead = always === undefined ? wayOf(read, choice) : notTranslated(uses, always);
    return translatedOr(instead, () => wish({ sha: known.action.sha, manifest: known.manifest?.text }), choice);
  }
  if (always === undefined && rule !== undefined && known?.kind !== "stopped") {
    return { kind: "builtin", builtin: rule.builtin };
  }
  if (known === undefined) return unknownAction(uses);
  const instead =
    always === undefined || known.kind === "stopped"
      ? unsupported(`the action '${uses}', which ${known.fault},`, known.fix)
      : notTranslated(uses, always);
  if (known.kind === "stopped") return instead;
  return translatedOr(instead, () => wish({ sha: undefined, manifest: undefined }), choice);
}

function translatedOr(instead: Way, wishOf: () => TranslationWish, { translated }: Choice): Way {
  if (translated === undefined) return instead;
  const wish = wishOf();
  const answer = translated(wish);
  if (answer === undefined) return instead;
  if (answer.kind === "translated") return translatedWay(wish, answer);
  if (instead.kind !== "unsupported") return instead;
  return unsupported(instead.what, `${instead.fix}. It cannot be translated: ${answer.why}`);
}

function notTranslated(uses: string, always: string): Way {
  return unsupported(
    `the action '${uses}', which ${always} wants translated,`,
    "take it out there, or pin a translation",
  );
}

/** Needs no checkout: what it means is the commit that the file is from, whatever steps do to the workspace. */
function chooseOwn(path: string, inside: RemoteAction, step: UsesStep, choice: Choice): Way {
  if (choice.isOwn?.(inside) === true) {
    const action: RemoteAction = { ...inside, path, ref: inside.sha };
    return wayOf(choice.readFound({ action, manifest: choice.lookup(path || ".") }), choice);
  }
  if (choice.known === undefined) return ownFormUnsupported(path, step.uses);
  return chooseRemote({ ...referenceOf(inside), path }, step, choice);
}

function wayOf(action: ReadAction, choice: Choice): Way {
  if (action.kind !== "composite") return action.way;
  const around = [...choice.parents, action.label];
  const isSame = (parent: string): boolean => parent.toLowerCase() === action.label.toLowerCase();
  if (choice.parents.some(isSame)) {
    return unsupported(`the recursion of actions ${around.join(" -> ")}`, "break the circle");
  }
  if (around.length > MAX_NESTING) {
    return unsupported(`nesting deeper than ${MAX_NESTING} actions (${around.join(" -> ")})`, "nest fewer actions");
  }
  const inner: Choice = { ...choice, parents: around, inside: action.action, job: undefined };
  const steps: { name: string; way: Way }[] = [];
  for (const step of action.steps) {
    if (choice.budget.steps === 0) {
      return unsupported(`a step of more than ${MAX_NESTED_STEPS} nested steps`, `use '${action.label}' fewer times`);
    }
    choice.budget.steps -= 1;
    steps.push({ name: nameOf(step), way: chooseWay(step, inner) });
  }
  return { kind: "composite", path: action.path, action: action.action, steps };
}

/** For a person reading the plan: expressions stay as they were written. */
function nameOf(step: Step): string {
  if (step.name?.kind === "literal") return String(step.name.value);
  if (step.name?.kind === "expression") return step.name.source;
  if (step.kind === "uses") return step.uses;
  if (step.kind === "control") return step.control;
  const text =
    step.run.kind === "expression" ? step.run.source : step.run.kind === "literal" ? String(step.run.value) : "";
  return `Run ${text.trimStart().split("\n", 1)[0]}`;
}

function remembered<From, To>(keyOf: (from: From) => string, read: (from: From) => To): (from: From) => To {
  const known = new Map<string, { readonly value: To }>();
  return (from) => {
    const key = keyOf(from);
    const entry = known.get(key) ?? { value: read(from) };
    known.set(key, entry);
    return entry.value;
  };
}

function ownFormUnsupported(path: string, uses: string): Way {
  return unsupported(`the form '${uses}'`, `write './${path}' after a checkout`);
}

function unknownAction(uses: string): Way {
  return unsupported(
    `the remote action '${uses}'`,
    "copy it into the repository and use it as ./path, or write it as run: steps",
  );
}
