/**
 * GitHub's own cases for its workflow readers (actions/languageservices, MIT), read from ../shared/conformance: a file
 * and the template, or the errors, that come of it. Our model is put into the form of their templates here. Files that
 * do not pass are listed by name with the reason; one that begins to pass fails the test, so that the list stays true.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Template } from "../../src/expression/template.ts";
import type { Diagnostic, Position } from "../../src/lib/diagnostic.ts";
import { unreachable } from "../../src/lib/unreachable.ts";
import { checkCall } from "../../src/workflow/check-call.ts";
import { type ReadResult, readWorkflow } from "../../src/workflow/read-workflow.ts";
import { sharedData } from "../shared-data.ts";
import type { Job, RunDefaults, Step, Strategy, Workflow } from "../../src/workflow/workflow.ts";

const { folder, files, suffix } = sharedData("conformance/workflow-parser/testdata/reader/");

const PERMISSIONS = "checks a called workflow's permissions against the caller's: reusable workflows are not run yet";
const CALLS = "checks types, depth or number of called workflows: reusable workflows are not run yet";
const CALLED_PLACES = "wants places in the file of the workflow called: reusable workflows are not run yet";
const OWN_LIMIT = "sets the reader's limits for this file: ours are fixed";
const RESOLVED = "prints permissions as resolved; our model keeps them as written";

const notPassing: { readonly [file: string]: string } = {
  "errors-anchor-tag.yml": "is from before GitHub allowed anchors",
  "errors-max-depth.yml": OWN_LIMIT,
  "errors-max-file-size.yml": OWN_LIMIT,
  "errors-max-job-limit-with-reusable-workflow.yml": CALLS,
  "errors-max-result-size.yml": OWN_LIMIT,
  "errors-reusable-workflow-job-inputs-type-mismatch.yml": CALLS,
  "errors-reusable-workflow-job-nested-depth-exceeded.yml": CALLS,
  "errors-reusable-workflow-job-nested-permissions-not-allowed-job-level-from-caller-job-level.yml": PERMISSIONS,
  "errors-reusable-workflow-job-nested-permissions-not-allowed-job-level-from-caller-workflow-level.yml": PERMISSIONS,
  "errors-reusable-workflow-job-nested-permissions-not-allowed-workflow-level-from-caller-job-level.yml": PERMISSIONS,
  "errors-reusable-workflow-job-nested-permissions-not-allowed-workflow-level-from-caller-workflow-level.yml":
    PERMISSIONS,
  "errors-reusable-workflow-max-result-size.yml": OWN_LIMIT,
  "errors-reusable-workflow-permissions-not-allowed-job-level-from-caller-default.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-job-level-from-caller-job-level.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-job-level-from-caller-workflow-level.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-actions-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-checks-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-contents-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-deployments-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-discussions-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-id-token-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-issues-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-packages-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-pages-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-pull-requests-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-read-all-allowed-none.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-repository-projects-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-security-events-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-statuses-write.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-write-all-allowed-none.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-request-write-all-allowed-read-all.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-workflow-level-from-caller-default.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-workflow-level-from-caller-job-level.yml": PERMISSIONS,
  "errors-reusable-workflow-permissions-not-allowed-workflow-level-from-caller-workflow-level.yml": PERMISSIONS,
  "is-partial-rerun.yml": CALLED_PLACES,
  "job-permissions.yml": RESOLVED,
  "mvp.yml": "wants no line end after a script that ends the file without one; the yaml package adds it",
  "permissions.yml": RESOLVED,
  "preserves-source-info-basic.yml": "wants the places of a strategy's keys, which our model does not keep",
  "preserves-source-info-reusable-workflow.yml": CALLED_PLACES,
  "reusable-workflow-job-nested-permissions.yml": RESOLVED,
  "reusable-workflow-job-permissions-default-limited-read-allows-contents-packages.yml": RESOLVED,
  "reusable-workflow-job-permissions-embedded-permissions-after-jobs.yml": RESOLVED,
  "reusable-workflow-job-permissions-embedded-permissions.yml": RESOLVED,
  "reusable-workflow-job-permissions-overrides-default-limited-read.yml": RESOLVED,
  "reusable-workflow-job-permissions-overrides-default-limited-write.yml": RESOLVED,
  "reusable-workflow-job-permissions-overrides-default-write.yml": RESOLVED,
  "reusable-workflow-job-permissions-overrides-workflow-level.yml": RESOLVED,
  "skip-reusable-workflows.yml": CALLED_PLACES,
  "yaml-schema-sequence.yml": "is not YAML: a comment right behind a bracket",
  "yaml-schema-str-flow-styles.yml": "is not YAML: an escaped quote in a plain text",
};

interface Golden {
  readonly "input-types"?: unknown;
  readonly jobs?: unknown;
  readonly errors?: readonly { readonly Message: string }[];
}

const names = files.filter((name) => name.endsWith(".yml")).toSorted();

describe.skipIf(files.length === 0)(`GitHub's workflow reader cases${suffix}`, () => {
  test("are all here", () => {
    expect(names).toHaveLength(195);
  });

  test("those known not to pass exist", () => {
    expect(Object.keys(notPassing).filter((name) => !names.includes(name))).toEqual([]);
  });

  test.each(names.filter((name) => !(name in notPassing)))("%s", (name) => {
    const { actual, expected } = compare(name);
    expect(actual).toEqual(expected);
  });

  test.each(Object.entries(notPassing))("%s does not pass: it %s", (name) => {
    const { actual, expected } = compare(name);
    expect(actual).not.toEqual(expected);
  });
});

function compare(name: string): { readonly actual: unknown; readonly expected: unknown } {
  const [header = "", workflow = "", ...rest] = readFileSync(new URL(name, folder), "utf8").split(/^---\r?\n/m);
  const options: { readonly "include-source"?: boolean; readonly skip?: readonly string[] } | null = parse(header);
  const golden: Golden = JSON.parse(rest.at(-1) ?? "");
  const path = `.github/workflows/${name}`;
  const result = readWorkflow(path, workflow.trimEnd()); // as GitHub's own test does
  const calls = new Map<string, string>();
  for (let i = 0; i + 1 < rest.length - 1; i += 2) calls.set((rest[i] ?? "").trim(), rest[i + 1] ?? "");
  const printer = new Printer(options?.["include-source"] === true, calls);
  const diagnostics = [...diagnosticsOf(result, golden, options?.skip ?? []), ...callFaults(path, result, calls)];
  if (golden.errors !== undefined) {
    const messages = golden.errors.map((error) => error.Message);
    return { actual: diagnostics.map((it) => printMessage(it, messages)), expected: messages };
  }
  if (result.kind === "refused") return { actual: diagnostics, expected: golden };
  const template = { ...golden, "file-table": undefined, events: undefined };
  // Two kinds of cases, each with its own form of what stands after `on:`.
  const printed = { ...printer.workflow(result.workflow), "input-types": golden["input-types"] && inputTypes(result) };
  return { actual: plain(printed), expected: plain(sorted(template)) };
}

function inputTypes({ workflow }: Extract<ReadResult, { readonly kind: "read" }>): unknown {
  const inputs = workflow.triggers.find(({ event }) => event === "workflow_dispatch")?.inputs ?? [];
  return Object.fromEntries(inputs.map(({ name, type }) => [name, type]));
}

/** Where only the TypeScript reader has a case, it is stricter than GitHub's service, and so than we are: we warn. */
function diagnosticsOf(result: ReadResult, golden: Golden, skip: readonly string[]): readonly Diagnostic[] {
  if (result.kind === "refused") return result.diagnostics.filter((it) => it.kind === "error");
  return golden.errors !== undefined && skip.includes("C#") ? result.warnings : [];
}

function callFaults(path: string, result: ReadResult, calls: ReadonlyMap<string, string>): readonly Diagnostic[] {
  if (result.kind === "refused") return [];
  return result.workflow.jobs.flatMap((job) => {
    const text = job.kind === "call" ? calls.get(job.uses) : undefined;
    if (job.kind !== "call" || text === undefined) return [];
    const called = readWorkflow(job.uses, text);
    return called.kind === "read" ? checkCall(path, job, called.workflow) : called.diagnostics;
  });
}

/** GitHub gives no place for faults of YAML itself; we do. */
function printMessage({ file, at, message }: Diagnostic, expected: readonly string[]): string {
  const text = message.replace(/(?<=: |, )(?:cancel|wait|wait-all), /g, ""); // background steps are always known here
  const withoutPlace = `${file}: ${text}`;
  return at === undefined || expected.includes(withoutPlace)
    ? withoutPlace
    : `${file} (Line: ${at.line}, Col: ${at.column}): ${text}`;
}

class Printer {
  readonly #withPlaces: boolean;
  readonly #calls: ReadonlyMap<string, string>;

  constructor(withPlaces: boolean, calls: ReadonlyMap<string, string>) {
    this.#withPlaces = withPlaces;
    this.#calls = calls;
  }

  workflow(workflow: Workflow): object {
    return {
      permissions: this.template(workflow.permissions),
      env: this.template(workflow.env),
      defaults: this.#defaults(workflow.defaults),
      concurrency: this.template(workflow.concurrency),
      jobs: workflow.jobs.map((job) => this.#job(job)),
    };
  }

  #job(job: Job): unknown {
    const id = this.#literal(job.id, job.at);
    const base = {
      type: job.kind === "steps" ? "job" : "reusableWorkflowJob",
      id,
      name: this.template(job.name) ?? id,
      needs: job.needs.length > 0 || job.kind === "call" ? job.needs : undefined,
      if: this.#condition(job.condition),
      strategy: this.#strategy(job.strategy),
      permissions: this.template(job.permissions),
      concurrency: this.template(job.concurrency),
    };
    if (job.kind === "call") {
      const called = this.#calls.get(job.uses);
      const inner = called === undefined ? undefined : readWorkflow(job.uses, called);
      return {
        ...base,
        ref: this.#literal(job.uses, job.usesAt),
        "input-values": this.template(job.with),
        "secret-values": job.secrets === "inherit" ? undefined : this.template(job.secrets),
        "inherit-secrets": job.secrets === "inherit" ? true : undefined,
        ...(inner?.kind === "read" ? this.#called(inner.workflow) : {}),
      };
    }
    return {
      ...base,
      "runs-on": this.template(job.runsOn),
      env: this.template(job.env),
      defaults: this.#defaults(job.defaults),
      environment: this.template(job.environment),
      container: this.template(job.container),
      services: this.template(job.services),
      outputs: this.template(job.outputs),
      "timeout-minutes": this.template(job.timeoutMinutes),
      "continue-on-error": this.template(job.continueOnError),
      "cancel-timeout-minutes": this.template(job.cancelTimeoutMinutes),
      snapshot: this.template(job.snapshot),
      steps: job.steps.length === 0 ? undefined : job.steps.map((step) => this.#step(step)),
    };
  }

  #called({ jobs, triggers }: Workflow): object {
    const trigger = triggers.find(({ event }) => event === "workflow_call");
    const inputs = trigger?.inputs?.map(({ name, type, required, default: byDefault }) => {
      return { name, type, required, default: this.template(byDefault) };
    });
    return {
      "input-definitions": nonEmpty(inputs),
      "secret-definitions": nonEmpty(trigger?.secrets),
      outputs: nonEmpty(trigger?.outputs?.map(({ name, value }) => ({ name, value: this.template(value) }))),
      jobs: jobs.map((job) => this.#job(job)),
    };
  }

  #step(step: Step): unknown {
    const base = {
      id: step.id,
      name: this.template(step.name),
      if: this.#condition(step.condition),
      env: this.template(step.env),
      "continue-on-error": this.template(step.continueOnError),
      "timeout-minutes": this.template(step.timeoutMinutes),
      background: step.background || undefined,
    };
    switch (step.kind) {
      case "run":
        return {
          ...base,
          run: this.template(step.run),
          shell: this.template(step.shell),
          "working-directory": this.template(step.workingDirectory),
        };
      case "uses":
        return { ...base, uses: this.#literal(step.uses, step.usesAt), with: this.template(step.with) };
      case "control": {
        const { if: _, ...rest } = base;
        const [label, value] = {
          wait: ["Wait", step.targets],
          "wait-all": ["Wait for all", true],
          cancel: ["Cancel", step.targets[0]],
          parallel: ["Parallel group", step.steps.map((it) => this.#step(it))],
        }[step.control];
        return { ...rest, name: rest.name ?? label, [step.control]: value };
      }
      default:
        return unreachable(step);
    }
  }

  #condition({ expression, source, at }: Job["condition"]): unknown {
    return { type: 3, ...(source === "" ? {} : this.#place(at)), expr: expression };
  }

  #defaults({ shell, workingDirectory }: RunDefaults): unknown {
    if (shell === undefined && workingDirectory === undefined) return undefined;
    const run = this.#map({ shell, "working-directory": workingDirectory });
    return { type: 2, map: [{ Key: "run", Value: run }] };
  }

  #strategy(strategy: Strategy | undefined): unknown {
    if (strategy === undefined) return undefined;
    return this.#map({ "fail-fast": strategy.failFast, matrix: strategy.matrix, "max-parallel": strategy.maxParallel });
  }

  #map(entries: { readonly [key: string]: Template | undefined }): unknown {
    const given = Object.entries(entries).filter(([, value]) => value !== undefined);
    return { type: 2, map: given.map(([key, value]) => ({ Key: key, Value: this.template(value) })) };
  }

  template(template: Template | undefined): unknown {
    if (template === undefined) return undefined;
    const place = this.#place(template.at);
    switch (template.kind) {
      case "literal":
        return this.#literal(template.value, template.at);
      case "expression":
        if (template.expression === "insert") return { type: 4, ...place, directive: "insert" };
        return { type: 3, ...place, expr: template.expression };
      case "sequence":
        return { type: 1, ...place, seq: template.items.map((item) => this.template(item)) };
      case "mapping":
        return {
          type: 2,
          ...place,
          map: template.entries.map(({ key, value }) => ({ Key: this.template(key), Value: this.template(value) })),
        };
      default:
        return unreachable(template);
    }
  }

  #literal(value: string | number | boolean | null, at: Position): unknown {
    const json = typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
    if (!this.#withPlaces) return json;
    if (typeof value === "string") return { type: 0, ...this.#place(at), lit: value };
    if (typeof value === "number") return { type: 6, ...this.#place(at), num: json };
    if (typeof value === "boolean") return { type: 5, ...this.#place(at), bool: value };
    return { type: 7, ...this.#place(at) };
  }

  #place(at: Position): object {
    return this.#withPlaces ? { file: 1, line: at.line, col: at.column } : {};
  }
}

/** Without what is undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Our model keeps the parts of a strategy and of defaults, not their order; of a called workflow, what it means. */
function sorted(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), function (this: unknown, key, it: unknown) {
    const isCall = typeof this === "object" && this !== null && "ref" in this;
    if (key === "input-definitions") {
      return entriesIn(it).map(([name, config]) => {
        const { type = "string", required = false, default: byDefault } = Object.fromEntries(entriesIn(config));
        return { name, type, required, default: byDefault };
      });
    }
    if (key === "secret-definitions") {
      return entriesIn(it).map(([name, config]) => {
        return { name, required: Object.fromEntries(entriesIn(config))["required"] ?? false };
      });
    }
    if (key === "outputs" && isCall) {
      return entriesIn(it).map(([name, config]) => ({ name, value: Object.fromEntries(entriesIn(config))["value"] }));
    }
    return key === "strategy" || key === "defaults" ? sortMaps(it) : it;
  });
}

function entriesIn(token: unknown): readonly (readonly [string, unknown])[] {
  if (typeof token !== "object" || token === null || !("map" in token) || !Array.isArray(token.map)) return [];
  return token.map.map(({ Key, Value }: { Key: string; Value: unknown }) => [Key, Value] as const);
}

function nonEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

function sortMaps<T>(token: T): T {
  if (typeof token !== "object" || token === null || !("map" in token) || !Array.isArray(token.map)) return token;
  const map = token.map.toSorted((a: { Key: string }, b: { Key: string }) => (a.Key < b.Key ? -1 : 1));
  return { ...token, map };
}
