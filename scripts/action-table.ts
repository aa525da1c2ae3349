/**
 * The table of docs/translation.md: the actions that a corpus of workflows uses most, and what each comes to without a network.
 * `node scripts/action-table.ts <corpus>`; the corpus has a directory `workflows` for each repository.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { builtinFor } from "../src/action/builtins.ts";
import { parseActionReference } from "../src/action/reference.ts";
import { stepsOf } from "../src/plan/plan-jobs.ts";
import { findRule } from "../src/translate/rule-library.ts";
import { readWorkflow } from "../src/workflow/read-workflow.ts";

const ROWS = 60;
/** A model may translate it, where one is configured; whether one can nobody has tried. */
const NOTHING = "a model or nothing";

/**
 * What was run, by name in lower case, and nothing that was only read: what stands for the action, and the action itself from a mirror with
 * `--no-builtins`. Whoever runs more adds it here.
 */
const STAND_IN_RAN: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["checkout", "cache", "upload-artifact", "download-artifact", "setup-node", "setup-python", "setup-go"].map(
      // test/e2e/builtins.test.ts
      (name) => [`actions/${name}`, "yes"],
    ),
  ),
  // test/machines/gvisor-rules.test.ts
  "astral-sh/setup-uv": "yes",
  "oven-sh/setup-bun": "yes",
  "denoland/setup-deno": "yes",
  "pnpm/action-setup": "yes",
  "dtolnay/rust-toolchain": "yes",
  "swatinem/rust-cache": "yes",
  "codecov/codecov-action": "yes",
  "rui314/setup-mold": "yes",
  "actions/setup-java": "yes",
  "ruby/setup-ruby": "yes",
  "taiki-e/install-action": "begun",
};

const REAL_RAN: Readonly<Record<string, string>> = {
  "actions/checkout": "v4, v7",
  "actions/cache": "v4, v5",
  "actions/upload-artifact": "v4, v7",
  "actions/download-artifact": "v4, v8",
  "actions/setup-node": "yes",
  "actions/setup-python": "yes",
  "actions/setup-go": "yes",
  "actions/github-script": "v7, v8",
  "dorny/paths-filter": "v3",
  "actions/labeler": "yes",
  "actions/stale": "yes",
  "pnpm/action-setup": "yes",
  "dtolnay/rust-toolchain": "to its download",
};

const [corpus = ""] = process.argv.slice(2);
const uses = new Map<string, { readonly name: string; count: number }>();
for (const repository of readdirSync(corpus, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  const directory = join(corpus, repository.name, "workflows");
  for (const file of readdirSync(directory).filter((name) => /\.ya?ml$/u.test(name))) {
    const read = readWorkflow(file, readFileSync(join(directory, file), "utf8"));
    if (read.kind === "refused") continue;
    for (const step of read.workflow.jobs.flatMap(stepsOf)) if (step.kind === "uses") count(step.uses);
  }
}

function count(text: string): void {
  const reference = parseActionReference(text);
  if (reference.kind !== "remote") return;
  const { owner, name, path } = reference;
  const action = [owner, name, ...(path === "" ? [] : [path])].join("/");
  const row = uses.get(action.toLowerCase()) ?? { name: action, count: 0 };
  row.count += 1;
  uses.set(action.toLowerCase(), row);
}

const total = [...uses.values()].reduce((sum, row) => sum + row.count, 0);
const rows = [...uses].toSorted(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1)).slice(0, ROWS);
const lines = rows.map(([key, row]) => {
  const share = `${((100 * row.count) / total).toFixed(1)} %`;
  const [real, instead] = [REAL_RAN[key] ?? "not run", standIn(key)];
  const ran = instead === NOTHING ? "" : (STAND_IN_RAN[key] ?? "not run");
  return `| ${row.name} | ${row.count} | ${share} | ${real} | ${instead} | ${ran} |`;
});
process.stdout.write(
  [
    "| Action | Uses | Share | Itself ran here | Without it | That ran here |",
    "|---|---:|---:|---|---|---|",
    ...lines,
    "",
    `${total} uses of ${uses.size} actions; the table has ${rows.length} of them, ${rows.reduce((sum, [, row]) => sum + row.count, 0)} uses.`,
    "",
  ].join("\n"),
);

function standIn(action: string): string {
  const reference = referenceOf(action);
  const builtin = builtinFor(reference);
  if (builtin !== undefined) return builtin.first ? "built-in, before the real one" : "built-in";
  if (findRule(reference) !== undefined) return "rule";
  return NOTHING;
}

function referenceOf(action: string) {
  const [owner = "", name = "", ...path] = action.split("/");
  return { owner, name, path: path.join("/"), ref: "v1" };
}
