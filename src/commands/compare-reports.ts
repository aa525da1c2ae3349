/**
 * What two machines say a step has left behind, and in what that differs. The texts come from machines in which the step could do as it
 * liked: they are bounded and read by schema. Pure.
 */
import * as z from "zod/mini";

const MAX_REPORT_CHARACTERS = 1 << 20;

const text = z.string();
const Changed = z.record(text, z.nullable(text));

const Report = z.object({
  outcome: text,
  outputs: z.record(text, text),
  variables: Changed,
  path: z.array(text),
  files: Changed,
  /** Of what is too much to be listed. */
  otherFiles: text,
});

export type StepReport = z.infer<typeof Report>;

/** Undefined: it is none. */
export function readReport(report: string): StepReport | undefined {
  if (report.length > MAX_REPORT_CHARACTERS) return undefined;
  try {
    return Report.safeParse(JSON.parse(report)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export interface Difference {
  readonly of: "outcome" | "output" | "variable" | "path" | "file";
  readonly name: string;
  /** Undefined: left as it was, or never set. `null`: removed. */
  readonly real: string | null | undefined;
  readonly translated: string | null | undefined;
}

/** An output that is not there and one that is empty are the same to whoever reads it. */
export function differencesBetween(real: StepReport, translated: StepReport): readonly Difference[] {
  const one = (of: Difference["of"], name: string, a: string, b: string): readonly Difference[] =>
    a === b ? [] : [{ of, name, real: a, translated: b }];
  return [
    ...one("outcome", "outcome", real.outcome, translated.outcome),
    ...ofRecords("output", withoutEmpty(real.outputs), withoutEmpty(translated.outputs)),
    ...ofRecords("variable", real.variables, translated.variables),
    ...one("path", "PATH", real.path.join(":"), translated.path.join(":")),
    ...ofRecords("file", real.files, translated.files),
    ...one("file", "others", real.otherFiles, translated.otherFiles),
  ];
}

function withoutEmpty(record: StepReport["outputs"]): StepReport["outputs"] {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ""));
}

type Changes = StepReport["files"];

function ofRecords(of: Difference["of"], real: Changes, translated: Changes): readonly Difference[] {
  const names = [...new Set([...Object.keys(real), ...Object.keys(translated)])].toSorted();
  return names
    .map((name) => ({ of, name, real: real[name], translated: translated[name] }))
    .filter((pair) => pair.real !== pair.translated);
}
