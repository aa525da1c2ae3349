/**
 * Everything a running job remembers between steps, as plain data: with a machine's memory and files it is a checkpoint
 * (DESIGN §4), so nothing here may hide in a closure. A step in the background works on a state of its own, and what it did
 * to that one becomes the job's when it is waited for. While one runs there is nothing to save it as: a job can be saved only
 * between steps with none in the background, or after they have ended.
 */
import type { ActionManifest } from "../action/manifest.ts";
import type { ExpressionTemplate, Value } from "../expression/template.ts";
import type { RemoteAction } from "../plan/plan.ts";
import type { Step, UsesStep } from "../workflow/workflow.ts";
import type { StepResult } from "../store/run-event.ts";
import { prependPath } from "./step-environment.ts";

export type JobStatus = "success" | "failure" | "cancelled";

export interface JobState {
  status: JobStatus;
  /** Workflow and job `env`, then every `GITHUB_ENV` pair, the latest last. */
  env: Record<string, string>;
  /** `GITHUB_PATH` entries, newest first. */
  path: string[];
  readonly scope: Scope;
  readonly posts: Post[];
  /** What actions saved for their later phases (`pre` for `main`, both for `post`), by the address of their step. */
  readonly saved: Record<StepAddress, Record<string, string>>;
  /** Actions of other repositories that were brought into the machine for this job, by directory. */
  readonly delivered: Record<string, DeliveredAction>;
  /** In the order of their turns. */
  readonly background: BackgroundStep[];
  /** Processes that the machine's kernel had killed for want of memory when it was last asked. */
  oomKills: number;
  /** Only in the state that a background step has for itself. */
  readonly written: Written | undefined;
}

/** A step's number, behind those of the composites around it: `2`, `2.1`. */
export type StepAddress = string;

export interface DeliveredAction {
  readonly sha: string;
  /** As they were before any step could change them, by the action's directory in its repository. */
  readonly manifests: Record<string, ActionManifest>;
}

/** What a step wrote to `GITHUB_ENV` and `GITHUB_PATH`, in order. */
interface Written {
  readonly env: Record<string, string>;
  readonly path: string[];
}

/** A step that was started in the background. */
export interface BackgroundStep {
  readonly number: number;
  readonly id: string;
  readonly idGiven: boolean;
  readonly name: string;
  /** What it leaves to the job; undefined until it has ended. */
  left: Left | undefined;
  /** What made it the job's: until then no other step sees it. Stays `cancel` when a `wait` comes after it. */
  collectedBy: "wait" | "cancel" | undefined;
}

interface Left {
  readonly result: StepEntry;
  readonly written: Written;
  readonly posts: readonly Post[];
}

/** Where a step stands: directly in its job, or inside a composite action, whose steps see their own `steps` and `inputs`. */
export interface Scope {
  readonly kind: "job" | "composite";
  /** 0 in the job, one more in each composite below. */
  readonly depth: number;
  /** Of the composite's step; empty in the job's own scope. */
  readonly address: StepAddress;
  readonly steps: Record<string, StepEntry>;
  readonly inputs: Readonly<Record<string, Value>>;
  /** `env` of the composite steps around: flows to the children and wins over the job's env. */
  readonly env: Readonly<Record<string, string>>;
  /** Directory of the composite action; empty in the job's own scope. */
  readonly actionPath: string;
  /** The composite action itself; undefined for one of the workspace, and in the job's own scope. */
  readonly action: RemoteAction | undefined;
  /** A composite's running result, which its children's success() and failure() ask; unused in the job's own scope. */
  status: JobStatus;
}

/** An entry of the `steps` context. */
export interface StepEntry {
  readonly outputs: Readonly<Record<string, string>>;
  readonly outcome: StepResult;
  readonly conclusion: StepResult;
}

/** What a step left to do after the job's last step. `with`, `env` and the rest of the step are evaluated again then. */
export type Post =
  | ({
      readonly kind: "javascript";
      readonly action: RemoteAction | undefined;
      readonly directory: string;
      readonly script: string;
      readonly condition: ExpressionTemplate;
      readonly manifest: ActionManifest;
    } & PostBase)
  /** Those of its children, as one block; empty where no child has registered one. */
  | ({ readonly kind: "composite"; readonly posts: readonly Post[] } & PostBase);

interface PostBase {
  readonly step: UsesStep;
  readonly address: StepAddress;
  readonly scope: Scope;
  readonly name: string;
  /** The phase of the step that registered it first. */
  readonly registeredIn: "pre" | "main";
}

export function newJobState(env: Record<string, string>, inputs: Scope["inputs"]): JobState {
  return {
    status: "success",
    env: withoutPrototype(env),
    path: [],
    scope: {
      kind: "job",
      depth: 0,
      address: "",
      steps: {},
      inputs,
      env: {},
      actionPath: "",
      action: undefined,
      status: "success",
    },
    posts: [],
    saved: {},
    delivered: {},
    background: [],
    oomKills: 0,
    written: undefined,
  };
}

export function addressOf(scope: Scope, { number }: Pick<Step, "number">): StepAddress {
  return scope.address === "" ? String(number) : `${scope.address}.${number}`;
}

/** What the step has saved; what is written to it is saved. Names are the action's: one may be `__proto__`. */
export function savedBy(state: JobState, address: StepAddress): Record<string, string> {
  return (state.saved[address] ??= withoutPrototype({}));
}

/**
 * For a step in the background: the job as it is now, and nothing that happens to the job later. What it saves and what is
 * brought into the machine is the same in both: no other step asks for the one, and the other is a fact.
 */
export function ownState(state: JobState): JobState {
  return {
    ...state,
    env: withoutPrototype(state.env),
    scope: { ...state.scope, steps: { ...state.scope.steps } },
    posts: [],
    background: [],
    written: { env: withoutPrototype({}), path: [] },
  };
}

/** The only way to write what `GITHUB_ENV` writes. */
export function setVariable(state: JobState, name: string, value: string): void {
  state.env[name] = value;
  if (state.written !== undefined) state.written.env[name] = value;
}

/** The only way to write what `GITHUB_PATH` writes; the last one comes first. */
export function addToPath(state: JobState, entries: readonly string[]): void {
  state.path = prependPath(state.path, entries);
  state.written?.path.push(...entries);
}

/**
 * Once for each step, when its `pre` or its `main` starts. One that is there already keeps its turn and takes over what is newer:
 * a composite's `main` has other inputs and steps than its `pre` had.
 */
export function registerPost(posts: Post[], post: Post): void {
  const index = posts.findIndex(({ address }) => address === post.address);
  const existing = posts[index];
  if (existing === undefined) posts.push(post);
  else posts[index] = merged(existing, post);
}

export function leave(step: BackgroundStep, result: StepEntry, own: JobState): void {
  const { posts, written } = own;
  step.left = { result, posts, written: written ?? { env: {}, path: [] } };
}

/** Makes what the step left the job's, once. Its result is not judged here. */
export function collect(state: JobState, step: BackgroundStep, by: "wait" | "cancel"): void {
  const { left } = step;
  if (left === undefined || step.collectedBy !== undefined) return;
  step.collectedBy = by;
  for (const [name, value] of Object.entries(left.written.env)) setVariable(state, name, value);
  addToPath(state, left.written.path);
  if (step.idGiven) state.scope.steps[step.id] = left.result;
  // Its posts are evaluated at the end, in the job's scope.
  for (const post of left.posts) registerPost(state.posts, { ...post, scope: state.scope });
}

function merged(existing: Post, post: Post): Post {
  const { registeredIn } = existing;
  if (existing.kind !== "composite" || post.kind !== "composite") return { ...post, registeredIn };
  const posts = [...existing.posts];
  for (const child of post.posts) registerPost(posts, child);
  return { ...post, registeredIn, posts };
}

/** Names are the job's: one may be `__proto__`. */
function withoutPrototype(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.assign(Object.create(null), env);
}

/** Keys of a step's state are one in whatever case they are written; the first spelling stays (ACTIONS-CONTRACT §2.1). */
export function saveState(state: Record<string, string>, name: string, value: string): void {
  const known = Object.keys(state).find((key) => key.toLowerCase() === name.toLowerCase());
  state[known ?? name] = value;
}
