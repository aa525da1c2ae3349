import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { InputDefinition } from "../workflow/workflow.ts";
import { dispatchInputs } from "./dispatch-inputs.ts";
import { anInput, aTrigger, aWorkflow, template } from "./plan-fixture.ts";

/** Inputs and `github.event.inputs` as JSON, or the diagnostics as lines. */
function dispatch(definitions: readonly InputDefinition[], given: { readonly [name: string]: string } = {}): unknown {
  const trigger = aTrigger({ event: "workflow_dispatch", inputs: definitions });
  const contexts = { github: { ref_name: "main" }, vars: { LEVEL: "debug" } };
  const result = dispatchInputs(aWorkflow({ triggers: [trigger] }), trigger, given, contexts);
  if (result.kind === "refused") return result.diagnostics.map((diagnostic) => formatDiagnostic(diagnostic));
  return { ...result.inputs };
}

const level = anInput("level", { type: "choice", options: ["info", "warning"], default: template("warning") });

function faultOf(definition: InputDefinition, given: { readonly [name: string]: string }): unknown {
  const trigger = aTrigger({ event: "workflow_dispatch", inputs: [definition] });
  return dispatchInputs(aWorkflow(), trigger, given, {});
}

describe("dispatchInputs", () => {
  it.each([
    ["a string", [anInput("name")], { name: "true" }, { name: "true" }],
    ["a boolean", [anInput("dry", { type: "boolean" })], { dry: "true" }, { dry: true }],
    ["a boolean in another case", [anInput("dry", { type: "boolean" })], { dry: "False" }, { dry: false }],
    ["a number", [anInput("n", { type: "number" })], { n: "1.50" }, { n: 1.5 }],
    ["a choice", [level], { level: "info" }, { level: "info" }],
    ["an environment", [anInput("env", { type: "environment" })], { env: "staging" }, { env: "staging" }],
    ["the default", [level], {}, { level: "warning" }],
    [
      "a default of another type than declared",
      [anInput("n", { type: "number", default: template("7") })],
      {},
      { n: 7 },
    ],
    [
      "a default with a boolean in quotes",
      [anInput("b", { type: "boolean", default: template("false") })],
      {},
      { b: false },
    ],
    [
      "no answer and no default",
      [anInput("s"), anInput("c", { type: "choice", options: ["x"] })],
      {},
      { s: "", c: "" },
    ],
    [
      "no answer, boolean and number",
      [anInput("b", { type: "boolean" }), anInput("n", { type: "number" })],
      {},
      { b: false, n: 0 },
    ],
    ["a required boolean nobody ticked", [anInput("b", { type: "boolean", required: true })], {}, { b: false }],
    [
      "a required input with a default",
      [anInput("s", { required: true, default: template("x") })],
      { s: "" },
      { s: "x" },
    ],
    ["names in another case, spelled as declared", [anInput("Log-Level")], { "log-level": "x" }, { "Log-Level": "x" }],
    ["an expression as default", [anInput("s", { default: template("${{ github.ref_name }}") })], {}, { s: "main" }],
    [
      "a default that reads an earlier input",
      [anInput("a"), anInput("b", { default: template("${{ format('{0}-{1}', inputs.a, vars.LEVEL) }}") })],
      { a: "x" },
      { a: "x", b: "x-debug" },
    ],
  ])("%s", (_, definitions, given, inputs) => {
    expect(dispatch(definitions, given)).toEqual(inputs);
  });

  it.each([
    ["Required input 's' not provided; give it with --input s=VALUE", [anInput("s", { required: true })], {}],
    ["Required input 's' not provided; give it with --input s=VALUE", [anInput("s", { required: true })], { s: "" }],
    ["The value 'yes' of input 'b' is not true or false", [anInput("b", { type: "boolean" })], { b: "yes" }],
    ["The value '1e999' of input 'n' is not a number", [anInput("n", { type: "number" })], { n: "1e999" }],
    ["The value 'INFO' of input 'level' is not one of: info, warning", [level], { level: "INFO" }],
    ["The default 'x' of input 'n' is not a number", [anInput("n", { type: "number", default: template("x") })], {}],
    ["Default of input 's': Unrecognized function: 'nope'", [anInput("s", { default: template("${{ nope() }}") })], {}],
  ])("says: %s", (message, definitions, given) => {
    const key = `on.workflow_dispatch.inputs.${definitions[0]?.name}`;
    expect(dispatch(definitions, given)).toEqual([`.github/workflows/ci.yml:5:7: error: ${message} (${key})`]);
  });

  it("refuses names the workflow does not have, and says which it has", () => {
    expect(dispatch([level], { leve: "info", toString: "x" })).toEqual([
      ".github/workflows/ci.yml:1:1: error: Unexpected input 'leve'; the workflow has: level (on.workflow_dispatch.inputs)",
      ".github/workflows/ci.yml:1:1: error: Unexpected input 'toString'; the workflow has: level (on.workflow_dispatch.inputs)",
    ]);
    expect(dispatch([], { a: "1" })).toEqual([expect.stringContaining("the workflow has: none")]);
  });

  it("does not take what every JavaScript object has for an answer", () => {
    expect(dispatch([anInput("constructor"), anInput("__proto__")])).toEqual({ constructor: "", ["__proto__"]: "" });
  });

  it("takes as much text as GitHub does, counted in characters of JSON, and no more", () => {
    expect(dispatch([anInput("in1")], { in1: "é".repeat(65_525) })).toEqual({ in1: "é".repeat(65_525) });
    expect(dispatch([anInput("in1")], { in1: "é".repeat(65_526) })).toEqual([
      expect.stringContaining("Inputs are 65536 characters long; the limit is 65535"),
    ]);
    const two = [anInput("a"), anInput("b")];
    expect(dispatch(two, { a: "x".repeat(40_000), b: "x".repeat(40_000) })).toEqual([
      expect.stringContaining("the limit is 65535"),
    ]);
  });

  it("shows every input as a string in github.event.inputs", () => {
    const inputs = [anInput("b", { type: "boolean" }), anInput("n", { type: "number", default: template(3) }), level];
    const trigger = aTrigger({ event: "workflow_dispatch", inputs });
    expect(dispatchInputs(aWorkflow(), trigger, { b: "true" }, {})).toMatchObject({
      eventInputs: { b: "true", n: "3", level: "warning" },
    });
  });

  it("blames the person for what was given, and the file for its defaults", () => {
    const number = anInput("n", { type: "number", default: template("x") });
    expect(faultOf(number, { n: "y" })).toMatchObject({ kind: "refused", fault: "inputs" });
    expect(faultOf(anInput("s", { required: true }), {})).toMatchObject({ kind: "refused", fault: "inputs" });
    expect(faultOf(number, { other: "1" })).toMatchObject({ kind: "refused", fault: "inputs" });
    expect(faultOf(number, {})).not.toHaveProperty("fault");
  });
});
