/**
 * A conformance case as data: a workflow, an event, what must come of it, and the rule that says so. Files under `cases/` hold
 * lists of them, one file for each part of the language. Expectations are GitHub's, whatever Hearth does; where Hearth differs
 * the case is `pending` with the reason, and the test fails as soon as it is no longer true.
 */
import { readFileSync, readdirSync } from "node:fs";
import { parse as parseYaml } from "yaml";
import { array, boolean, number, record, refine, strictObject, string, union, enum as oneOf, unknown } from "zod/mini";
import { exactOptional, parse, regex } from "zod/mini";
import type { infer as Infer } from "zod/mini";

const texts = record(string(), string());

/** A fate as `run-yaml.ts` shortens it; `none`: there is no such step. */
const fate = string().check(
  regex(/^(?:(?:success|failure|cancelled)(?:\/(?:success|failure))?|skipped|not_reached|none)$/),
);
const conclusion = oneOf(["success", "failure", "cancelled", "skipped"]);

/** What is named must be there; `message` and `has` are parts of the text. */
const diagnostic = strictObject({
  line: exactOptional(number()),
  key: exactOptional(string()),
  message: exactOptional(string()),
});
const annotation = strictObject({
  level: oneOf(["notice", "warning", "error"]),
  message: exactOptional(string()),
  has: exactOptional(string()),
  title: exactOptional(string()),
  file: exactOptional(string()),
  line: exactOptional(number()),
  endLine: exactOptional(number()),
  column: exactOptional(number()),
  endColumn: exactOptional(number()),
});

const expectation = strictObject({
  conclusion: exactOptional(conclusion),
  /** All jobs by key. */
  jobs: exactOptional(record(string(), conclusion)),
  /** Those steps that are named: `job/1`, `job/post-2`. */
  steps: exactOptional(record(string(), fate)),
  /** All outputs of those jobs that are named. */
  outputs: exactOptional(record(string(), texts)),
  /** Display names of those jobs that are named by key. */
  names: exactOptional(texts),
  /** All that the steps' processes printed, and what the log says of it; not the preambles nor the exit codes. */
  lines: exactOptional(array(string())),
  /** All of them, in order; a text is `level: message`. */
  annotations: exactOptional(array(union([string(), annotation]))),
  summaries: exactOptional(array(string())),
  title: exactOptional(string()),
  /** Name and url, by job key; those jobs that are named. */
  environments: exactOptional(record(string(), strictObject({ name: string(), url: exactOptional(string()) }))),
  /** Some of the diagnostics for which the file is refused, before anything starts. */
  refused: exactOptional(array(diagnostic)),
  /** Some of the warnings of a plan. */
  warnings: exactOptional(array(diagnostic)),
  /** Part of the reason. */
  notTriggered: exactOptional(string()),
  /** Planned, and not run. */
  triggered: exactOptional(boolean()),
});

const caseFile = array(
  strictObject({
    name: string(),
    /** ACTIONS-CONTRACT sections and addresses of GitHub's documentation, apart by blanks. */
    rule: string().check(regex(/^(?:§\d+(?:\.\d+)?|https:\/\/\S+)(?: (?:§\d+(?:\.\d+)?|https:\/\/\S+))*$/)),
    /** The file's text; or `steps`, the steps of its only job `job`, started by a push. */
    workflow: exactOptional(string()),
    steps: exactOptional(string()),
    /** Files of the repository, for `actions/checkout`, local actions and called workflows. */
    files: exactOptional(texts),
    /** Actions of other repositories: by `owner/name@ref`, their files by path; `translation.yml` stands for one that cannot be had. */
    actions: exactOptional(record(string(), texts)),
    event: exactOptional(
      strictObject({
        name: string(),
        payload: exactOptional(record(string(), unknown())),
        ref: exactOptional(string()),
        message: exactOptional(string()),
        changed: exactOptional(array(string())),
      }),
    ),
    inputs: exactOptional(texts),
    secrets: exactOptional(texts),
    vars: exactOptional(texts),
    environments: exactOptional(
      record(string(), strictObject({ secrets: exactOptional(texts), vars: exactOptional(texts) })),
    ),
    debug: exactOptional(boolean()),
    machinePer: exactOptional(oneOf(["workflow", "job"])),
    /** The run is cancelled when this step starts (`job/2`), or when a step prints this line. */
    cancel: exactOptional(union([strictObject({ step: string() }), strictObject({ line: string() })])),
    /** Real machines that the case is proven in too, beside the host. */
    machines: exactOptional(array(oneOf(["gvisor", "qemu"]))),
    pending: exactOptional(string()),
    expect: expectation,
  }).check(
    refine((given) => (given.workflow === undefined) !== (given.steps === undefined), "give `workflow` or `steps`"),
    refine(({ expect }) => Object.keys(expect).length > 0, "an empty `expect` proves nothing"),
  ),
);

export type Expectation = Infer<typeof expectation>;
export type ConformanceCase = Infer<typeof caseFile>[number] & { readonly section: string };
export type ExpectedDiagnostic = Infer<typeof diagnostic>;
export type ExpectedAnnotation = Infer<typeof annotation>;

/** All cases, by file; throws for one that is not well-formed. */
export function readCases(): readonly ConformanceCase[] {
  const folder = new URL("cases/", import.meta.url);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yml"))
    .toSorted()
    .flatMap((name) => parseCases(name.replace(/\.yml$/, ""), readFileSync(new URL(name, folder), "utf8")));
}

/** Those that are proven in such a machine too. */
export function casesFor(machine: "gvisor" | "qemu"): readonly ConformanceCase[] {
  return readCases().filter(({ machines, pending }) => machines?.includes(machine) === true && pending === undefined);
}

export function parseCases(section: string, text: string): readonly ConformanceCase[] {
  return parse(caseFile, parseYaml(text)).map((given) => ({ ...given, section }));
}

export function workflowOf({ workflow, steps }: ConformanceCase): string {
  if (workflow !== undefined) return workflow;
  const body = (steps ?? "").replace(/^(?=.)/gm, "      ");
  return `on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:\n${body}`;
}
