/**
 * The way each step will run, decided before anything does. Manifests of local actions are read through `lookup` from the
 * repository as it is now; one that is not there may be written by a step, so it is `local` and read when it is reached.
 * What cannot run is `unsupported` with what to do instead; nothing falls through. Source: DESIGN §4, ACTIONS-CONTRACT §4.1.
 */
import { posix } from "node:path";
import type { WayChooser } from "../plan/plan-workflow.ts";
import type { Way } from "../plan/plan.ts";
import type { Step, UsesStep } from "../workflow/workflow.ts";
import { readManifest } from "./manifest.ts";

/**
 * Finds the manifest (action.yml, action.yaml, Dockerfile, dockerfile, in this order) in a directory of the repository, given
 * relative to its root, `.` for the root itself. Undefined when there is none.
 */
export type ManifestLookup = (directory: string) => { readonly path: string; readonly text: string } | undefined;

/** GitHub's figure: a composite action may nest nine more. */
const MAX_NESTING = 10;

/** Steps within one `uses:` altogether. Actions that each use another many times over multiply; this bounds what a plan holds. */
const MAX_NESTED_STEPS = 1_000;

/** `builtins` false: `actions/checkout` is an action like others. A chooser reads each manifest once. */
export function createWayChooser(lookup: ManifestLookup, options: { readonly builtins: boolean }): WayChooser {
  const readAction = remembered((directory) => readLocalAction(directory, lookup));
  const choose = (step: Step): Way =>
    chooseWay(step, { readAction, builtins: options.builtins, parents: [], budget: { steps: MAX_NESTED_STEPS } });
  const chosen = new Map<string, Way>();
  return (step) => {
    if (step.kind !== "uses" || step.background) return choose(step);
    const way = chosen.get(step.uses) ?? choose(step);
    chosen.set(step.uses, way);
    return way;
  };
}

interface Choice {
  readonly readAction: (directory: string) => LocalAction;
  readonly builtins: boolean;
  /** Directories of the composite actions around the step, outermost first. */
  readonly parents: readonly string[];
  /** Counts down while one declared step is looked into. */
  readonly budget: { steps: number };
}

function chooseWay(step: Step, choice: Choice): Way {
  if (step.kind === "control") {
    return unsupported(`the keyword '${step.control}'`, "write the steps one after another, without background steps");
  }
  if (step.background) return unsupported("a background step", "remove background: and run the step in its turn");
  return step.kind === "run" ? { kind: "run" } : chooseAction(step, choice);
}

function chooseAction({ uses }: UsesStep, choice: Choice): Way {
  if (/^\.[/\\]/u.test(uses)) return chooseLocal(uses, choice);
  if (/^docker:\/\//iu.test(uses))
    return unsupported(`the container action '${uses}'`, "run what the image runs in a run: step");
  if (uses.startsWith("$/")) return unsupported(`the form '${uses}'`, `write './${uses.slice(2)}' after a checkout`);
  const remote = /^([\w.-]+\/[\w.-]+)((?:\/[^/@]+)*)\/?@([^@]+)$/u.exec(uses);
  if (remote === null) {
    const forms = "owner/repo@ref, owner/repo/path@ref, ./path or docker://image";
    return unsupported(`the reference '${uses}'`, `write it in one of the forms ${forms}`);
  }
  const isCheckout = remote[1]?.toLowerCase() === "actions/checkout" && remote[2] === "";
  if (isCheckout && choice.builtins) return { kind: "builtin", builtin: "checkout" };
  return unsupported(
    `the remote action '${uses}'`,
    "copy it into the repository and use it as ./path, or write it as run: steps",
  );
}

function chooseLocal(uses: string, choice: Choice): Way {
  const directory = posix.normalize(uses.replaceAll("\\", "/")).replace(/\/$/u, "");
  if (directory === ".." || directory.startsWith("../")) {
    return unsupported(
      `the path '${uses}', which leads outside the repository,`,
      "move the action into the repository",
    );
  }
  const around = [...choice.parents, directory];
  if (choice.parents.includes(directory)) {
    return unsupported(`the recursion of actions ${around.join(" -> ")}`, "break the circle");
  }
  if (around.length > MAX_NESTING) {
    return unsupported(`nesting deeper than ${MAX_NESTING} actions (${around.join(" -> ")})`, "nest fewer actions");
  }
  const action = choice.readAction(directory);
  if (action.kind === "way") return action.way;
  return chooseComposite(directory, action.steps, { ...choice, parents: around });
}

function chooseComposite(directory: string, nested: readonly Step[], choice: Choice): Way {
  const steps: { name: string; way: Way }[] = [];
  for (const step of nested) {
    if (choice.budget.steps === 0) {
      return unsupported(`a step of more than ${MAX_NESTED_STEPS} nested steps`, `use './${directory}' fewer times`);
    }
    choice.budget.steps -= 1;
    steps.push({ name: nameOf(step), way: chooseWay(step, choice) });
  }
  return { kind: "composite", path: directory, steps };
}

/** A composite action's way depends on where it is used; that of the others does not. */
type LocalAction =
  | { readonly kind: "composite"; readonly steps: readonly Step[] }
  | { readonly kind: "way"; readonly way: Way };

function readLocalAction(directory: string, lookup: ManifestLookup): LocalAction {
  const found = lookup(directory);
  if (found === undefined) return { kind: "way", way: { kind: "local", path: directory } };
  const docker = unsupported(`the container action './${directory}'`, "run what its image runs in run: steps");
  if (/(?:^|\/)dockerfile$/iu.test(found.path)) return { kind: "way", way: docker };
  const read = readManifest(found.path, found.text);
  if (read.kind === "refused") {
    const reason = read.diagnostics[0]?.message ?? "the reader gave no reason";
    return { kind: "way", way: unsupported(`the manifest ${found.path}, which cannot be read,`, reason) };
  }
  const { runs } = read.manifest;
  if (runs.kind === "docker") return { kind: "way", way: docker };
  if (runs.kind === "javascript")
    return { kind: "way", way: { kind: "javascript", using: runs.using, path: directory } };
  return { kind: "composite", steps: runs.steps };
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

function remembered<T>(read: (key: string) => T): (key: string) => T {
  const known = new Map<string, { readonly value: T }>();
  return (key) => {
    const entry = known.get(key) ?? { value: read(key) };
    known.set(key, entry);
    return entry.value;
  };
}

function unsupported(what: string, fix: string): Way {
  return { kind: "unsupported", what, fix };
}
