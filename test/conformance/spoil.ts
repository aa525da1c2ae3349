/** Wrong versions of an expectation, one for each thing it says: a comparison that accepts one of them compares nothing. */
import type { Expectation } from "./case.ts";

export function spoiled(expect: Expectation): readonly Expectation[] {
  const wrong: Expectation[] = [];
  const add = (change: Partial<Expectation>): void => void wrong.push({ ...expect, ...change });
  const { conclusion, jobs, steps, outputs, names, environments, title, triggered, notTriggered } = expect;
  if (conclusion !== undefined) add({ conclusion: other(conclusion) });
  if (triggered !== undefined) add({ triggered: !triggered });
  if (title !== undefined) add({ title: `${title}?` });
  if (notTriggered !== undefined) add({ notTriggered: `${notTriggered} for no reason` });
  if (jobs !== undefined) {
    add({ jobs: { ...jobs, "a job that is not there": "success" } });
    for (const [key, value] of Object.entries(jobs)) add({ jobs: { ...jobs, [key]: other(value) } });
  }
  for (const [key, value] of Object.entries(steps ?? {})) {
    add({ steps: { ...steps, [key]: value === "success" ? "failure" : "success" } });
  }
  for (const [key, value] of Object.entries(names ?? {})) add({ names: { ...names, [key]: `${value}?` } });
  for (const [key, value] of Object.entries(outputs ?? {})) {
    add({ outputs: { ...outputs, [key]: { ...value, "an output that is not there": "" } } });
  }
  for (const [key, value] of Object.entries(environments ?? {})) {
    add({ environments: { ...environments, [key]: { ...value, name: `${value.name}?` } } });
  }
  for (const key of ["lines", "summaries"] as const) {
    const texts = expect[key];
    if (texts === undefined) continue;
    add({ [key]: [...texts, "a text that is not there"] });
    for (const index of texts.keys()) add({ [key]: texts.with(index, `${texts[index]}?`) });
  }
  const { annotations, refused, warnings } = expect;
  if (annotations !== undefined) {
    add({ annotations: [...annotations, "notice: one that is not there"] });
    for (const index of annotations.keys()) add({ annotations: annotations.with(index, "notice: another") });
  }
  const nowhere = { key: "a.key.that.is.not.there" };
  if (refused !== undefined) add({ refused: [...refused, nowhere] });
  if (warnings !== undefined) add({ warnings: [...warnings, nowhere] });
  return wrong;
}

function other(conclusion: NonNullable<Expectation["conclusion"]>): "success" | "failure" {
  return conclusion === "success" ? "failure" : "success";
}
