/** Texts and values made to exhaust the host, by name: small to write, large to understand. Made only when asked for. */
import type { Value } from "../../src/expression/template.ts";

export type Attack = () =>
  | { readonly kind: "workflow"; readonly text: string }
  | { readonly kind: "matrix"; readonly matrix: Value }
  | { readonly kind: "expression"; readonly expression: string; readonly contexts: { readonly [name: string]: Value } };

const workflow =
  (text: () => string): Attack =>
  () => ({ kind: "workflow", text: text() });
const matrix =
  (value: () => Value): Attack =>
  () => ({ kind: "matrix", matrix: value() });
const expression = (text: () => string, contexts: () => { readonly [name: string]: Value } = () => ({})): Attack => {
  return () => ({ kind: "expression", expression: text(), contexts: contexts() });
};

export const ATTACKS: { readonly [name: string]: Attack } = {
  /** The weight of the process itself. */
  nothing: workflow(() => withJobs(1)),

  aliasSequences: workflow(() => aliasBomb((items) => `[${items.join(", ")}]`)),
  aliasMappings: workflow(() =>
    aliasBomb((items) => `{${items.map((item, index) => `k${index}: ${item}`).join(", ")}}`),
  ),
  aliasInSteps: workflow(
    () => `${withSteps(1)}${" ".repeat(8)}env: {${aliasBomb((items) => `[${items.join(", ")}]`, ", ")}}`,
  ),
  aliasOfItself: workflow(() => "on: push\na: &a [*a]"),

  brackets: workflow(() => "[".repeat(1_000)),
  braces: workflow(() => "{a: ".repeat(1_000)),
  dashes: workflow(() => "- ".repeat(1_000)),
  questions: workflow(() => "? ".repeat(1_000)),
  indentation: workflow(() => Array.from({ length: 1_000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")),
  bracketsInKeys: workflow(() => `${"[".repeat(1_000)}a${"]: b\n".repeat(1_000)}`),
  bracketsOverLines: workflow(() => "a: [\n".repeat(1_000)),

  steps: workflow(() => withSteps(200_000)),
  millionSteps: workflow(() => withSteps(1_000_000)),
  tenMegabytes: workflow(() => `# ${"x".repeat(10_000_000)}`),
  jobs: workflow(() => withJobs(50_000)),
  jobsOfAFile: workflow(() => withJobs(25_000)),
  environment: workflow(() => `on: push\nenv:\n${lines(100_000, (index) => `  k${index}: v`)}`),
  environmentOfAFile: workflow(() => `on: push\nenv:\n${lines(50_001, (index) => `  k${index}: v`)}`),

  product: matrix(() => Object.fromEntries(numbers(10).map((key) => [`k${key}`, numbers(100)]))),
  productWithExclude: matrix(() => ({ a: numbers(100_000), b: numbers(100_000), exclude: [{ a: 1 }] })),
  wideInclude: matrix(() => ({ a: numbers(256), include: [wide(20_000)] })),
  deepFilters: matrix(() => ({
    a: numbers(100),
    b: [numbers(5_000)],
    include: numbers(200).map((x) => ({ b: [...numbers(4_999), -1], x })),
  })),
  misspelledFilters: matrix(() => ({ a: numbers(10), b: [wide(3_000, "K")], include: [{ b: wide(3_000), x: 1 }] })),
  longNames: matrix(() => ({ a: numbers(256), b: [numbers(30_000)] })),

  formatWide: expression(
    () => `format('${"{0}".repeat(6_900)}', github.a)`,
    () => ({ github: { a: text(10_000) } }),
  ),
  formatWidth: expression(() => `format('{0${"9".repeat(20_000)}}', 1)`),
  toJsonOften: expression(
    () => often(1_300, "!toJSON(github)"),
    () => ({ github: { a: numbers(10_000) } }),
  ),
  toJsonNested: expression(
    () => `${"toJSON(".repeat(45)}github${")".repeat(45)}`,
    () => ({ github: { a: '"\\' } }),
  ),
  fromJsonOften: expression(
    () => often(800, "fromJSON(inputs.a)==1"),
    () => ({ inputs: { a: `"${text(200_000)}"` } }),
  ),
  fromJsonItems: expression(
    () => often(800, "fromJSON(inputs.a)==1"),
    () => ({ inputs: { a: JSON.stringify(numbers(20_000)) } }),
  ),
  joinLong: expression(
    () => "join(inputs.a, github.a)",
    () => ({ inputs: { a: numbers(30_000) }, github: { a: text(10_000) } }),
  ),
  compareOften: expression(
    () => often(830, "inputs.a==inputs.b"),
    () => ({ inputs: { a: `${text(250_000)}a`, b: `${text(250_000)}b` } }),
  ),
  searchOften: expression(
    () => often(800, "contains(inputs.a,'z')"),
    () => ({ inputs: { a: text(400_000) } }),
  ),
  filterOften: expression(
    () => often(1_000, "inputs.*.zz == 1"),
    () => ({ inputs: numbers(30_000).map((a) => ({ a })) }),
  ),
  missOften: expression(
    () => often(2_000, "inputs.zz"),
    () => ({ inputs: wide(30_000) }),
  ),
};

function aliasBomb(collect: (items: readonly string[]) => string, separator = "\n"): string {
  const levels = [`a0: &a0 ${collect(Array.from({ length: 9 }, () => "x"))}`];
  for (let level = 1; level <= 9; level += 1) {
    levels.push(`a${level}: &a${level} ${collect(Array.from({ length: 9 }, () => `*a${level - 1}`))}`);
  }
  return levels.join(separator);
}

export function withSteps(count: number): string {
  return `on: push\njobs:\n  big:\n    runs-on: x\n    steps:\n${"      - run: x\n".repeat(count)}`;
}

export function withJobs(count: number): string {
  return `on: push\njobs:\n${lines(count, (index) => `  j${index}: {runs-on: x, steps: [{run: x}]}`)}`;
}

function lines(count: number, line: (index: number) => string): string {
  return `${numbers(count).map(line).join("\n")}\n`;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function wide(count: number, prefix = "k"): { readonly [key: string]: Value } {
  return Object.fromEntries(numbers(count).map((index) => [`${prefix}${index}`, 1]));
}

function text(length: number): string {
  return "x".repeat(length);
}

/** As often as an expression of 21,000 characters can ask. */
function often(count: number, part: string): string {
  const most = Math.floor(20_990 / (part.length + 2));
  return Array.from({ length: Math.min(count, most) }, () => part).join("||");
}
