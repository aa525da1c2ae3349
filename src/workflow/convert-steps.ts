/**
 * The steps of a job or of a composite action. Every item of the list becomes a step, whatever is wrong with it: a step
 * that is left out would be a step that nobody misses. Ids are GitHub's (ACTIONS-CONTRACT §1.2), background steps §3.4.
 */
import { BooleanToken, type StringToken, type TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import type { Template } from "../expression/template.ts";
import { convertCondition } from "./convert-condition.ts";
import type { Faults } from "./faults.ts";
import { idBaseOf, StepIds } from "./step-ids.ts";
import { isTrue, itemsOf, textListOf, textOf, valueAt } from "./token-access.ts";
import { placeOf, toTemplate } from "./to-template.ts";
import type { ControlStep, Step } from "./workflow.ts";

export function convertSteps(token: TemplateToken | undefined, faults: Faults): readonly Step[] {
  return new StepsConverter(faults).convert(token);
}

/** Every step that a list holds, those of `parallel` groups behind their group. */
export function flattenSteps(steps: readonly Step[]): readonly Step[] {
  return steps.flatMap((step) => (step.kind === "control" ? [step, ...flattenSteps(step.steps)] : [step]));
}

class StepsConverter {
  readonly #faults: Faults;
  readonly #ids = new StepIds();
  #number = 0;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  convert(token: TemplateToken | undefined): readonly Step[] {
    // Ids that authors gave go first, so that none of those made up can take one.
    const steps = itemsOf(token).map((item) => this.#step(item, undefined));
    return steps.map((step) => this.#withId(step));
  }

  #step(token: TemplateToken, group: TemplateToken | undefined): Step {
    const id = valueAt(token, "id");
    const known = this.#addId(id);
    const base = {
      id: known ?? "",
      idGiven: known !== undefined,
      number: ++this.#number,
      at: placeOf(token),
      name: this.#template(valueAt(token, "name")),
      condition: convertCondition(valueAt(token, "if"), placeOf(token), this.#faults),
      env: this.#template(valueAt(token, "env")),
      continueOnError: this.#template(valueAt(token, "continue-on-error")),
      timeoutMinutes: this.#template(valueAt(token, "timeout-minutes")),
      background: isTrue(valueAt(token, "background")),
    };
    const run = valueAt(token, "run");
    if (group !== undefined) this.#checkInGroup(token, group);
    if (run !== undefined) {
      const workingDirectory = this.#template(valueAt(token, "working-directory"));
      const shell = this.#template(valueAt(token, "shell"));
      return { ...base, kind: "run", run: toTemplate(run, this.#faults), shell, workingDirectory };
    }
    const uses = valueAt(token, "uses");
    if (uses !== undefined) {
      const reference = this.#reference(uses);
      return {
        ...base,
        kind: "uses",
        uses: reference,
        usesAt: placeOf(uses),
        with: this.#template(valueAt(token, "with")),
      };
    }
    return { ...base, ...this.#control(token, id) };
  }

  #control(
    token: TemplateToken,
    id: TemplateToken | undefined,
  ): Pick<ControlStep, "kind" | "control" | "targets" | "steps"> {
    const wait = valueAt(token, "wait");
    if (wait !== undefined) return { kind: "control", control: "wait", targets: this.#targets(wait, id), steps: [] };
    const cancel = valueAt(token, "cancel");
    if (cancel !== undefined)
      return { kind: "control", control: "cancel", targets: this.#targets(cancel, id), steps: [] };
    const parallel = valueAt(token, "parallel");
    if (parallel !== undefined) {
      const steps = itemsOf(parallel).map((item) => this.#step(item, token));
      return { kind: "control", control: "parallel", targets: [], steps };
    }
    const waitAll = valueAt(token, "wait-all");
    if (waitAll === undefined) {
      this.#faults.error(token, "Expected one of uses, run, wait, wait-all, cancel, or parallel to be defined");
    } else if (waitAll instanceof BooleanToken && !waitAll.value) {
      this.#faults.error(waitAll, "The value of 'wait-all' must be true or omitted");
    }
    return { kind: "control", control: "wait-all", targets: [], steps: [] };
  }

  #checkInGroup(token: TemplateToken, group: TemplateToken): void {
    if (valueAt(token, "background") !== undefined) {
      this.#faults.error(
        group,
        "'background' is not allowed inside a parallel block. Steps in a parallel block are automatically run as background steps.",
      );
    }
    for (const keyword of ["wait", "wait-all", "cancel"]) {
      if (valueAt(token, keyword) === undefined) continue;
      this.#faults.error(group, `'${keyword}' is not allowed inside a parallel block.`);
    }
    if (valueAt(token, "parallel") !== undefined)
      this.#faults.error(group, "Nested 'parallel' blocks are not allowed.");
  }

  /** The id, if it can be used. */
  #addId(token: TemplateToken | undefined): string | undefined {
    const id = textOf(token);
    if (token === undefined || id === undefined) return undefined;
    const fault = this.#ids.add(id);
    if (fault === undefined) return id;
    this.#faults.error(token, fault);
    return undefined;
  }

  #targets(token: TemplateToken, ownId: TemplateToken | undefined): readonly string[] {
    return (textListOf(token) ?? []).map((target) => {
      const fault = this.#faultOfTarget(target, textOf(ownId));
      if (fault !== undefined) this.#faults.error(target, fault);
      return target.value;
    });
  }

  #faultOfTarget({ value }: StringToken, ownId: string | undefined): string | undefined {
    if (value.startsWith("__")) return `The identifier '${value}' is invalid. IDs starting with '__' are reserved.`;
    if (value.toLowerCase() === ownId?.toLowerCase()) return `Step '${ownId}' cannot reference itself`;
    return this.#ids.has(value) ? undefined : `Step references unknown step ID '${value}'`;
  }

  #reference(token: TemplateToken): string {
    const uses = textOf(token) ?? "";
    const isReference =
      /^(?:docker:\/\/|\.[/\\]|\$\/)/.test(uses) || /^[^/\\@]+[/\\][^@]*[^/\\@][^@]*@[^@]+$/.test(uses);
    if (!isReference) this.#faults.error(token, `Expected format {org}/{repo}[/path]@ref. Actual '${uses}'`);
    return uses;
  }

  #withId(step: Step): Step {
    const id = step.idGiven ? step.id : this.#ids.makeUp(whatItDoes(step));
    return step.kind === "control"
      ? { ...step, id, steps: step.steps.map((inner) => this.#withId(inner)) }
      : { ...step, id };
  }

  #template(token: TemplateToken | undefined): Template | undefined {
    return token === undefined ? undefined : toTemplate(token, this.#faults);
  }
}

function whatItDoes(step: Step): string {
  if (step.kind === "control") return step.control;
  return step.kind === "uses" ? idBaseOf(step.uses) : "run";
}
