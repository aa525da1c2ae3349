/**
 * What a `uses` stands for when its step is reached. Which way it runs was planned; a local manifest is read again, from the
 * workspace, because a step before it may have written it, and one that cannot run is refused here.
 */
import { MANIFEST_FILES, MAX_MANIFEST_BYTES, readManifest } from "../action/manifest.ts";
import type { ActionManifest } from "../action/manifest.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { Way } from "../plan/plan.ts";
import type { UsesStep } from "../workflow/workflow.ts";
import { actionInputs } from "./action-inputs.ts";
import type { StepRun } from "./step-run.ts";

type Runs<Kind extends ActionManifest["runs"]["kind"]> = Extract<ActionManifest["runs"], { kind: Kind }>;

interface FoundManifest {
  readonly manifest: ActionManifest;
  readonly directory: string;
  readonly inputs: Readonly<Record<string, string>>;
}

export type FoundAction =
  | { readonly kind: "checkout" }
  | ({ readonly kind: "javascript"; readonly runs: Runs<"javascript"> } & FoundManifest)
  | ({ readonly kind: "composite"; readonly runs: Runs<"composite"> } & FoundManifest)
  | { readonly kind: "refused"; readonly message: string };

/** Also logs the step's head: what it uses and with which inputs. Throws `ExpressionError` from an input's default. */
export async function findAction(
  run: StepRun,
  step: UsesStep,
  way: Way,
  given: Readonly<Record<string, string>>,
): Promise<FoundAction> {
  if (way.kind === "builtin") {
    logHead(run, step.uses, given);
    return { kind: "checkout" };
  }
  if (way.kind === "unsupported") return { kind: "refused", message: `${way.what} is unsupported: ${way.fix}` };
  if (way.kind === "run" || way.kind === "control") throw new Error(`'${step.uses}' was planned as ${way.kind}`);
  const { path } = way;
  const directory = path === "." ? run.job.machine.layout.workspace : `${run.job.machine.layout.workspace}/${path}`;
  const found = await readManifestFile(run, directory);
  if (found === undefined) {
    const message = `Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '${directory}'. Did you forget to run actions/checkout before running your local action?`;
    return { kind: "refused", message };
  }
  if (found.text === undefined) return refuseDocker(step.uses);

  const read = readManifest(`${path}/${found.name}`, found.text);
  if (read.kind === "refused") return { kind: "refused", message: read.diagnostics.map(formatDiagnostic).join("\n") };
  const { manifest } = read;
  const { runs } = manifest;
  if (runs.kind === "docker") return refuseDocker(step.uses);
  const { values: inputs, warnings } = await actionInputs(run, manifest, given);
  logHead(run, step.uses, given);
  for (const warning of warnings) run.log.warning(warning);
  return runs.kind === "javascript"
    ? { kind: "javascript", manifest, runs, directory, inputs }
    : { kind: "composite", manifest, runs, directory, inputs };
}

/** `text` is undefined for a Dockerfile, which needs no manifest. */
async function readManifestFile(
  run: StepRun,
  directory: string,
): Promise<{ name: string; text: string | undefined } | undefined> {
  for (const name of MANIFEST_FILES) {
    const content = await run.job.machine.agent.readFile(`${directory}/${name}`, MAX_MANIFEST_BYTES);
    if (content !== undefined) return { name, text: name.startsWith("action") ? content.toString("utf8") : undefined };
  }
  return undefined;
}

function refuseDocker(uses: string): FoundAction {
  return { kind: "refused", message: `'${uses}' is unsupported: docker actions cannot run yet` };
}

function logHead(run: StepRun, uses: string, given: Readonly<Record<string, string>>): void {
  run.log.group(`Run ${uses}`);
  const inputs = Object.entries(given);
  if (inputs.length > 0) run.log.line("with:");
  for (const [name, value] of inputs) run.log.line(`  ${name}: ${value}`);
  run.log.groupEnd();
}
