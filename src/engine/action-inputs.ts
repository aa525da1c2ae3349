/** The inputs of an action: what `with:` gives over the manifest's defaults (ACTIONS-CONTRACT §4.2). */
import type { ActionManifest } from "../action/manifest.ts";
import { toText } from "../expression/evaluate.ts";
import { evaluateIn } from "./step-run.ts";
import type { StepRun } from "./step-run.ts";

export interface ActionInputs {
  /** Every declared input, absent ones with their default or empty, and the undeclared ones that were given. */
  readonly values: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}

/** Throws `ExpressionError` when a default cannot be evaluated. `required` is never enforced, as on GitHub. */
export async function actionInputs(
  run: StepRun,
  manifest: ActionManifest,
  given: Readonly<Record<string, string>>,
): Promise<ActionInputs> {
  const values: Record<string, string> = {};
  const warnings: string[] = [];
  const unclaimed = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), { name, value }]));
  for (const input of manifest.inputs) {
    const supplied = unclaimed.get(input.name.toLowerCase());
    unclaimed.delete(input.name.toLowerCase());
    if (supplied !== undefined && input.deprecationMessage !== undefined) {
      warnings.push(`Input '${input.name}' has been deprecated with message: ${input.deprecationMessage}`);
    }
    values[input.name] =
      supplied?.value ?? (input.default === undefined ? "" : toText(await evaluateIn(run, input.default)));
  }
  if (unclaimed.size > 0) {
    const names = [...unclaimed.values()].map(({ name }) => `'${name}'`).join(", ");
    const valid = manifest.inputs.map(({ name }) => `'${name}'`).join(", ");
    warnings.push(`Unexpected input(s) ${names}, valid inputs are [${valid}]`);
    for (const { name, value } of unclaimed.values()) values[name] = value;
  }
  return { values, warnings };
}

/** Spaces become `_`, letters upper case, everything else stays: `fetch-depth` is `INPUT_FETCH-DEPTH`. */
export function inputVariables(inputs: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [`INPUT_${name.replaceAll(" ", "_").toUpperCase()}`, value]),
  );
}
