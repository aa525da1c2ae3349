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

/** By name in lower case: where `test/machines/gvisor-rules.test.ts` ran what stands for it. */
const RUN_BY: Readonly<Record<string, string>> = {
  "astral-sh/setup-uv": "gVisor",
  "oven-sh/setup-bun": "gVisor",
  "denoland/setup-deno": "gVisor",
  "pnpm/action-setup": "gVisor",
  "dtolnay/rust-toolchain": "gVisor",
  "swatinem/rust-cache": "gVisor",
  "codecov/codecov-action": "gVisor",
  "rui314/setup-mold": "gVisor",
};

/** Run in a container on GitHub as well; without one in the machine nothing honest can stand for them. */
const NEEDS_DOCKER = /^(?:docker\/|pyo3\/maturin-action$|uraimo\/run-on-arch-action$)/u;
/** What they do is to ask GitHub or another server. */
const NEEDS_SERVER =
  /^(?:actions\/(?:github-script|stale|labeler|attest-build-provenance|create-github-app-token|create-release)|github\/|1password\/|dsanders11\/|electron\/|softprops\/|slackapi\/|peter-evans\/|octokit\/|dessant\/|azure\/login|cloudflare\/|changesets\/|ossf\/)/u;

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
  return `| ${row.name} | ${row.count} | ${share} | ${standIn(key)} | ${RUN_BY[key] ?? (isBuiltin(key) ? "host, gVisor" : "")} |`;
});
process.stdout.write(
  [
    "| Action | Uses | Share | Without the real action | Ran here in |",
    "|---|---:|---:|---|---|",
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
  if (NEEDS_DOCKER.test(action)) return "nothing: it needs docker";
  if (NEEDS_SERVER.test(action)) return "nothing: it asks a server";
  return "a model, where one is configured";
}

function isBuiltin(action: string): boolean {
  return builtinFor(referenceOf(action)) !== undefined;
}

function referenceOf(action: string) {
  const [owner = "", name = "", ...path] = action.split("/");
  return { owner, name, path: path.join("/"), ref: "v1" };
}
