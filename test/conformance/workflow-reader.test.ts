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
import { CALL_LIMITS, type CallLimits, CallTree } from "../../src/workflow/call-limits.ts";
import { checkCall, checkCallPermissions } from "../../src/workflow/check-call.ts";
import { READ_LIMITS, type ReadLimits } from "../../src/workflow/limits.ts";
import type { DefaultPermissions, Permissions, PermissionsLink } from "../../src/workflow/permissions.ts";
import { type ReadResult, readWorkflow } from "../../src/workflow/read-workflow.ts";
import { sharedData } from "../shared-data.ts";
import type { CallJob, Job, RunDefaults, Step, Workflow } from "../../src/workflow/workflow.ts";

const { folder, files, suffix } = sharedData("conformance/workflow-parser/testdata/reader/");

const notPassing: { readonly [file: string]: string } = {
  "errors-anchor-tag.yml": "is from before GitHub allowed anchors",
  "yaml-schema-str-flow-styles.yml": "is not YAML: a text in quotes over lines that are not indented",
};

/** What a case says about how it is read. */
interface Options {
  readonly "include-source"?: boolean;
  readonly "max-depth"?: number;
  readonly "max-file-size"?: number;
  readonly "max-job-limit"?: number;
  readonly "max-nested-reusable-workflows-depth"?: number;
  readonly "max-result-size"?: number;
  readonly "permissions-policy"?: "LimitedRead" | "Write";
  readonly "skip-reusable-workflows"?: boolean;
  readonly skip?: readonly string[];
}

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
  const options: Options = parse(header) ?? {};
  const golden: Golden = JSON.parse(rest.at(-1) ?? "");
  const path = `.github/workflows/${name}`;
  const loader = new Loader(options, rest.slice(0, -1));
  const result = readWorkflow(path, workflow.trimEnd(), loader.limits); // as GitHub's own test does
  const diagnostics = [...diagnosticsOf(result, golden, options.skip ?? []), ...loader.load(result)];
  if (golden.errors !== undefined) {
    const messages = golden.errors.map((error) => error.Message);
    return { actual: diagnostics.map((it) => printMessage(it, messages)), expected: messages };
  }
  if (result.kind === "refused") return { actual: diagnostics, expected: golden };
  const template = { ...golden, "file-table": undefined, events: undefined };
  // Two kinds of cases, each with its own form of what stands after `on:`.
  const printed = {
    ...new Printer(options["include-source"] === true, loader).workflow(result.workflow),
    "input-types": golden["input-types"] && inputTypes(result),
  };
  return { actual: plain({ printed, diagnostics }), expected: plain({ printed: sorted(template), diagnostics: [] }) };
}

/** Reads what a case calls, call by call, and stops at the first fault, as GitHub does. */
class Loader {
  readonly limits: ReadLimits;
  readonly #calls: CallLimits;
  readonly #byDefault: DefaultPermissions;
  readonly #skip: boolean;
  readonly #texts = new Map<string, string>();
  readonly #files = new Map<string, Workflow>();

  /** `parts` are names and texts of the files called, in turns. */
  constructor(options: Options, parts: readonly string[]) {
    const sizeBytes = options["max-result-size"] ?? READ_LIMITS.sizeBytes;
    this.limits = {
      characters: options["max-file-size"] ?? READ_LIMITS.characters,
      depth: options["max-depth"] ?? READ_LIMITS.depth,
      sizeBytes,
    };
    this.#calls = {
      ...CALL_LIMITS,
      nestedCalls: options["max-nested-reusable-workflows-depth"] ?? CALL_LIMITS.nestedCalls,
      jobs: options["max-job-limit"] ?? CALL_LIMITS.jobs,
      sizeBytes,
    };
    this.#byDefault = options["permissions-policy"] === "Write" ? "permissive" : "restricted";
    this.#skip = options["skip-reusable-workflows"] === true;
    for (let i = 0; i + 1 < parts.length; i += 2) this.#texts.set((parts[i] ?? "").trim(), parts[i + 1] ?? "");
  }

  load(result: ReadResult): readonly Diagnostic[] {
    if (result.kind === "refused" || this.#skip) return [];
    return this.#loadCalls(result.workflow, [], new CallTree(result.workflow, this.#calls));
  }

  /** Undefined for a file that was not read. */
  find(uses: string): Workflow | undefined {
    return this.#files.get(uses);
  }

  /** GitHub numbers files as it meets them; the first is the one that calls. */
  fileNumber(workflow: Workflow): number {
    return 2 + [...this.#files.values()].indexOf(workflow);
  }

  #loadCalls(workflow: Workflow, chain: readonly PermissionsLink[], tree: CallTree): readonly Diagnostic[] {
    for (const job of workflow.jobs) {
      if (job.kind !== "call") continue;
      const faults = this.#loadCall(workflow, job, [...chain, { workflow, job }], tree);
      if (faults.length > 0) return faults;
    }
    return [];
  }

  #loadCall(caller: Workflow, job: CallJob, chain: readonly PermissionsLink[], tree: CallTree): readonly Diagnostic[] {
    const called = readWorkflow(job.uses, this.#texts.get(job.uses) ?? "");
    if (called.kind === "refused") return called.diagnostics;
    const { workflow } = called;
    const tooMuch = tree.add(workflow, chain.length);
    if (tooMuch !== undefined) {
      return [{ kind: "error", file: caller.path, at: job.usesAt, key: `jobs.${job.id}.uses`, message: tooMuch }];
    }
    if (!this.#files.has(job.uses)) this.#files.set(job.uses, workflow);
    const faults = [
      ...checkCall(caller.path, job, workflow),
      ...checkCallPermissions({ file: caller.path, job, called: workflow }, chain, this.#byDefault),
    ];
    return faults.length > 0 ? faults : this.#loadCalls(workflow, chain, tree);
  }
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

/**
 * GitHub gives no place for faults of YAML itself and of the tree of calls; we do. Permissions that are newer than the
 * cases are left out, as are steps that are behind a switch there. Long messages it cuts.
 */
function printMessage({ file, at, message }: Diagnostic, expected: readonly string[]): string {
  const text = message.replace(/(?<=: |, )(?:cancel|wait|wait-all), /g, "").replace(NEWER_SCOPES, "");
  const place = `(Line: ${at?.line}, Col: ${at?.column})`;
  const forms = [text, `${file}: ${text}`, `In ${file} ${place}: ${text}`];
  const full = at === undefined ? `${file}: ${text}` : `${file} ${place}: ${text}`;
  return forms.find((form) => expected.includes(form)) ?? cut(full);
}

const NEWER_SCOPES =
  /(?:artifact-metadata|attestations|code-quality|copilot-requests|drives): \w+, |, (?:models|vulnerability-alerts): \w+/g;

function cut(message: string): string {
  return message.length > 500 ? `${message.slice(0, 500)}[...]` : message;
}

class Printer {
  readonly #withPlaces: boolean;
  readonly #loader: Loader;
  readonly #file: number;
  /** Of the workflow that calls the printed one. */
  readonly #inherited: Permissions | undefined;

  constructor(withPlaces: boolean, loader: Loader, file = 1, inherited?: Permissions) {
    this.#withPlaces = withPlaces;
    this.#loader = loader;
    this.#file = file;
    this.#inherited = inherited;
  }

  workflow(workflow: Workflow): object {
    return {
      permissions: printPermissions(workflow.permissions),
      env: this.template(workflow.env),
      defaults: this.#defaults(workflow.defaults),
      concurrency: this.template(workflow.concurrency),
      jobs: this.#jobs(workflow),
    };
  }

  #jobs(workflow: Workflow): readonly unknown[] {
    return workflow.jobs.map((job) => this.#job(job, job.permissions ?? workflow.permissions ?? this.#inherited));
  }

  #job(job: Job, permissions: Permissions | undefined): unknown {
    const id = this.#literal(job.id, job.at);
    const base = {
      type: job.kind === "steps" ? "job" : "reusableWorkflowJob",
      id,
      name: this.template(job.name) ?? id,
      needs: job.needs.length > 0 || job.kind === "call" ? this.#needs(job) : undefined,
      if: this.#condition(job.condition),
      strategy: this.template(job.strategy?.template),
      permissions: printPermissions(permissions),
      concurrency: this.template(job.concurrency),
    };
    if (job.kind === "call") {
      return {
        ...base,
        ref: this.#literal(job.uses, job.usesAt),
        "input-values": this.template(job.with),
        "secret-values": job.secrets === "inherit" ? undefined : this.template(job.secrets),
        "inherit-secrets": job.secrets === "inherit" ? true : undefined,
        ...this.#called(this.#loader.find(job.uses), permissions),
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

  #needs({ needs, needsAt }: Job): readonly unknown[] {
    return needs.map((need, index) => this.#literal(need, needsAt[index] ?? { line: 0, column: 0 }));
  }

  #called(workflow: Workflow | undefined, permissions: Permissions | undefined): object {
    if (workflow === undefined) return { jobs: [] };
    const { triggers } = workflow;
    const trigger = triggers.find(({ event }) => event === "workflow_call");
    const inputs = trigger?.inputs?.map(({ name, type, required, default: byDefault }) => {
      return { name, type, required, default: this.template(byDefault) };
    });
    return {
      "input-definitions": nonEmpty(inputs),
      "secret-definitions": nonEmpty(trigger?.secrets),
      outputs: nonEmpty(trigger?.outputs?.map(({ name, value }) => ({ name, value: this.template(value) }))),
      // What its root asks for is, on GitHub, the permission of the call itself.
      ...(workflow.permissions === undefined ? {} : { permissions: printPermissions(workflow.permissions) }),
      jobs: new Printer(
        this.#withPlaces,
        this.#loader,
        this.#loader.fileNumber(workflow),
        workflow.permissions ?? permissions,
      ).#jobs(workflow),
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
    return this.#withPlaces ? { file: this.#file, line: at.line, col: at.column } : {};
  }
}

/** Without what is not given, and what GitHub did not know when it wrote the cases. */
function printPermissions(permissions: Permissions | undefined): unknown {
  if (permissions === undefined) return undefined;
  const newer = [
    "artifact-metadata",
    "attestations",
    "code-quality",
    "copilot-requests",
    "drives",
    "models",
    "vulnerability-alerts",
  ];
  const given = Object.entries(permissions).filter(([scope, level]) => level !== "none" && !newer.includes(scope));
  return Object.fromEntries(given);
}

/** Without what is undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Our model keeps the parts of defaults, not their order; of a called workflow, what it means. */
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
    return key === "defaults" ? sortMaps(it) : it;
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
