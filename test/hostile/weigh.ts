/**
 * `node test/hostile/weigh.ts <attack>`: one attack in a process of its own, with little memory, so that what it costs can be
 * seen from outside: prints its processor time, the most memory the process ever held, and what came of it.
 */
import { expandMatrix } from "../../src/plan/expand-matrix.ts";
import { evaluateExpression } from "../../src/expression/evaluate.ts";
import type { Value } from "../../src/expression/template.ts";
import { readWorkflow } from "../../src/workflow/read-workflow.ts";
import { ATTACKS } from "./attacks.ts";
import type { Attack } from "./attacks.ts";
import type { Weight } from "./weight.ts";

const name = process.argv[2] ?? "";
const attack = ATTACKS[name];
if (attack === undefined) throw new Error(`There is no attack '${name}'`);
const prepared = attack();
const before = process.cpuUsage();
const outcome = run(prepared);
const { user, system } = process.cpuUsage(before);
const ms = (user + system) / 1000;
const weight: Weight = { ms, peakMib: process.resourceUsage().maxRSS / 1024, outcome };
process.stdout.write(`${JSON.stringify(weight)}\n`);

function run(prepared: ReturnType<Attack>): string {
  switch (prepared.kind) {
    case "workflow": {
      const read = readWorkflow("bomb.yml", prepared.text);
      return read.kind === "read" ? `${read.workflow.jobs.length} jobs` : (read.diagnostics[0]?.message ?? "");
    }
    case "matrix": {
      const expansion = expandMatrix(prepared.matrix);
      return expansion.kind === "refused" ? expansion.message : `${expansion.cells.length} cells`;
    }
    case "expression":
      return evaluated(prepared.expression, prepared.contexts);
    default:
      throw new Error("Unreachable");
  }
}

function evaluated(expression: string, contexts: { readonly [name: string]: Value }): string {
  try {
    return `a ${typeof evaluateExpression(expression, { contexts, functions: {} })}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
