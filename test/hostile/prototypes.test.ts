/**
 * A10: names that mean something to JavaScript objects, wherever a stranger may write a name. Each is refused with a diagnostic or
 * is data like any other, and no object of ours has anything that it was not given.
 */
import { afterEach, describe, expect, it } from "vitest";
import { evaluateExpression } from "../../src/expression/evaluate.ts";
import { parseJson, printJson } from "../../src/expression/json.ts";
import { keysOf } from "../../src/expression/ordered-object.ts";
import type { Value } from "../../src/expression/template.ts";
import { isMapping } from "../../src/context/mapping.ts";
import { expandMatrix } from "../../src/plan/expand-matrix.ts";
import { readWorkflow } from "../../src/workflow/read-workflow.ts";
import { runYaml } from "../run-yaml.ts";

/** The three that pollute, and some that are found where nobody put them. */
const NAMES = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];

const STEP = "steps: [{run: x}]";

/** A workflow with the name at one place each; `data` places hold it, at the others GitHub's schema decides. */
const PLACES: Readonly<Record<string, (name: string) => string>> = {
  "workflow env": (name) => withRoot(`env: {${name}: polluted}`),
  "job env": (name) => withJob(`env: {${name}: polluted}`),
  "step env": (name) => withStep(`run: x, env: {${name}: polluted}`),
  "step with": (name) => withStep(`uses: a/b@v1, with: {${name}: polluted}`),
  "job outputs": (name) => withJob(`outputs: {${name}: polluted}`),
  "job id": (name) => `on: push\njobs: {${name}: {runs-on: x, ${STEP}}}`,
  needs: (name) => `on: push\njobs: {${name}: {runs-on: x, ${STEP}}, b: {needs: ${name}, runs-on: x, ${STEP}}}`,
  "step id": (name) => withStep(`run: x, id: ${name}`),
  "matrix vector": (name) => withJob(`strategy: {matrix: {${name}: [polluted]}}`),
  "matrix include": (name) => withJob(`strategy: {matrix: {a: [1], include: [{${name}: polluted}]}}`),
  "matrix exclude": (name) => withJob(`strategy: {matrix: {a: [1], exclude: [{${name}: polluted}]}}`),
  "matrix value": (name) => withJob(`strategy: {matrix: {a: [{${name}: polluted}]}}`),
  services: (name) => withJob(`services: {${name}: {image: polluted}}`),
  "service env": (name) => withJob(`services: {a: {image: x, env: {${name}: polluted}}}`),
  "container env": (name) => withJob(`container: {image: x, env: {${name}: polluted}}`),
  "dispatch inputs": (name) => `on: {workflow_dispatch: {inputs: {${name}: {default: polluted}}}}\n${JOBS}`,
  "call inputs": (name) => `on: {workflow_call: {inputs: {${name}: {type: string, default: polluted}}}}\n${JOBS}`,
  "call secrets": (name) => `on: {workflow_call: {secrets: {${name}: {required: true}}}}\n${JOBS}`,
  "call outputs": (name) => `on: {workflow_call: {outputs: {${name}: {value: polluted}}}}\n${JOBS}`,
  "call with": (name) => `on: push\njobs: {a: {uses: ./.github/workflows/b.yml, with: {${name}: polluted}}}`,
  "given secrets": (name) => `on: push\njobs: {a: {uses: ./.github/workflows/b.yml, secrets: {${name}: polluted}}}`,
  permissions: (name) => withRoot(`permissions: {${name}: read}`),
  defaults: (name) => withRoot(`defaults: {run: {${name}: polluted}}`),
  concurrency: (name) => withRoot(`concurrency: {group: a, ${name}: polluted}`),
  environment: (name) => withJob(`environment: {name: a, ${name}: polluted}`),
  strategy: (name) => withJob(`strategy: {${name}: polluted}`),
  root: (name) => withRoot(`${name}: polluted`),
  job: (name) => withJob(`${name}: polluted`),
  step: (name) => withStep(`run: x, ${name}: polluted`),
  event: (name) => `on: {${name}: {}}\n${JOBS}`,
  "event filter": (name) => `on: {push: {${name}: [polluted]}}\n${JOBS}`,
  "runner group": (name) => `on: push\njobs: {a: {runs-on: {labels: x, ${name}: polluted}, ${STEP}}}`,
  "an alias": (name) => withRoot(`env: {${name}: &a polluted, b: *a}`),
};

const JOBS = `jobs: {a: {runs-on: x, ${STEP}}}`;

function withRoot(line: string): string {
  return `on: push\n${line}\n${JOBS}`;
}

function withJob(keys: string): string {
  return `on: push\njobs: {a: {runs-on: x, ${keys}, ${STEP}}}`;
}

function withStep(keys: string): string {
  return `on: push\njobs: {a: {runs-on: x, steps: [{${keys}}]}}`;
}

/** Fails where a plain object has gained or lost anything. */
function expectCleanObjects(): void {
  const plain: Record<string, unknown> & { toString(): string } = {};
  for (const name of ["polluted", "k", "image", "value", "type"]) expect(plain[name]).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(Object.getPrototypeOf(plain)).toBe(Object.prototype);
  expect(plain.toString()).toBe("[object Object]");
}

afterEach(expectCleanObjects);

describe.each(Object.keys(PLACES))("%s named for a member of objects", (place) => {
  it.each(NAMES)("%s is refused with a place, or held", (name) => {
    const read = readWorkflow("names.yml", PLACES[place]?.(name) ?? "");
    // Held, or said to have no effect.
    const held = read.kind === "read" ? `${JSON.stringify(read.workflow)} ${JSON.stringify(read.warnings)}` : "";
    const refusals = read.kind === "refused" ? read.diagnostics.filter(({ at, message }) => at && message !== "") : [];
    expect(held.includes(name) || refusals.length > 0).toBe(true);
  });
});

describe("data with such names", () => {
  const json = '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 2}}, "k": {"__proto__": 3}}';

  it("come back from JSON as they went in", () => {
    const value = parseJson(json);
    expect(isMapping(value) && keysOf(value)).toEqual(["__proto__", "constructor", "k"]);
    expect(JSON.parse(printJson(value))).toEqual(JSON.parse(json));
    expect(printJson(value)).toContain('"__proto__": {\n    "polluted": 1');
  });

  it.each([
    ["event payload", "github.event"],
    ["inputs", "inputs"],
    ["outputs of needs", "needs.a.outputs"],
    ["outputs of steps", "steps.a.outputs"],
    ["matrix", "matrix"],
    ["vars", "vars"],
  ])("are found in the %s by their own names, and nothing else is", (_, path) => {
    const contexts = nest(path.split("."), parseJson(json));
    const evaluated = (rest: string): Value => evaluateExpression(`${path}${rest}`, { contexts, functions: {} });
    expect(evaluated(".__proto__.polluted")).toBe(1);
    expect(evaluated("['constructor'].prototype.polluted")).toBe(2);
    expect(evaluated(".k.__proto__")).toBe(3);
    for (const absent of [
      "toString",
      "hasOwnProperty",
      "polluted",
      "__defineGetter__",
      "k.constructor",
      "k.toString",
    ]) {
      expect([absent, evaluated(`.${absent}`)]).toEqual([absent, null]);
    }
    expect(evaluateExpression(`toJSON(fromJSON(toJSON(${path})))`, { contexts, functions: {} })).toContain(
      '"__proto__"',
    );
    expect(evaluateExpression(`${path}.*.polluted`, { contexts, functions: {} })).toEqual([1]);
  });

  it("are cells of a matrix", () => {
    const expansion = expandMatrix(parseJson('{"__proto__": ["a", "b"], "include": [{"constructor": "c"}]}'));
    if (expansion.kind === "refused") throw new Error(expansion.message);
    expect(expansion.cells.map(({ values }) => keysOf(values))).toEqual([
      ["__proto__", "constructor"],
      ["__proto__", "constructor"],
    ]);
    expect(expansion.cells.map(({ label }) => label)).toEqual(["a", "b"]);
  });

  it("are no contexts and no functions", () => {
    for (const name of NAMES) {
      const scope = { contexts: {}, functions: {} };
      expect(() => evaluateExpression(name, scope)).toThrow(`Unrecognized named-value: '${name}'`);
      expect(() => evaluateExpression(`${name}()`, scope)).toThrow(/Unrecognized function/);
    }
  });
});

function nest([first = "", ...rest]: readonly string[], value: Value): { readonly [name: string]: Value } {
  return { [first]: rest.length === 0 ? value : nest(rest, value) };
}

describe("a run on the host", () => {
  it("keeps such names of outputs, variables, states, ids and cells as data", async () => {
    const run = await runYaml(`
on: push
env: { __proto__: from-workflow, constructor: from-workflow }
jobs:
  constructor:
    runs-on: ubuntu-latest
    outputs:
      __proto__: \${{ steps.constructor.outputs.__proto__ }}
      constructor: \${{ steps.constructor.outputs.constructor }}
    strategy: { matrix: { __proto__: [cell] } }
    env: { prototype: from-job }
    steps:
      - id: constructor
        run: |
          for name in __proto__ constructor prototype toString; do
            echo "$name=output-$name" >> "$GITHUB_OUTPUT"
            echo "$name=env-$name" >> "$GITHUB_ENV"
          done
          echo "::set-output name=__proto__::output-__proto__"
      - run: 'echo "outputs \${{ join(steps.constructor.outputs.*, '' '') }}"'
      - run: 'echo "variables $(printenv __proto__) $(printenv constructor) $(printenv prototype) $(printenv toString)"'
      - run: 'echo "context \${{ env.__proto__ }} \${{ env.constructor }} \${{ env.prototype }}"'
      - run: 'echo "step $(printenv __proto__)"'
        env: { __proto__: from-step }
      - run: 'echo "cell \${{ matrix.__proto__ }} \${{ toJSON(steps.toString) }} \${{ toJSON(env.valueOf) }}"'
  toString:
    needs: constructor
    runs-on: ubuntu-latest
    steps:
      - run: 'echo "needs \${{ needs.constructor.result }} \${{ needs.constructor.outputs.__proto__ }} \${{ needs.constructor.outputs.constructor }} \${{ toJSON(needs.valueOf) }}"'
`);
    expect(run.lines.filter((line) => /^(?:outputs|variables|context|step|cell|needs) /.test(line))).toEqual([
      "outputs output-__proto__ output-constructor output-prototype output-toString",
      "variables env-__proto__ env-constructor env-prototype env-toString",
      "context env-__proto__ env-constructor env-prototype",
      "step from-step",
      "cell cell null null",
      "needs success output-__proto__ output-constructor null",
    ]);
    expect(run.outcome).toMatchObject({ conclusion: "success" });
  });
});
