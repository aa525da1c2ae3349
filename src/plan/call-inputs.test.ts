import { describe, expect, it } from "vitest";
import type { Value } from "../expression/template.ts";
import type { InputDefinition } from "../workflow/workflow.ts";
import { callInputs } from "./call-inputs.ts";
import { anInput, aTrigger, template } from "./plan-fixture.ts";

/** The inputs, or the refusal's message. */
function call(definitions: readonly InputDefinition[], given: { readonly [name: string]: Value } = {}): unknown {
  const trigger = aTrigger({ event: "workflow_call", inputs: definitions });
  const result = callInputs(trigger, given, { github: { ref_name: "main" }, vars: { LEVEL: "debug" } });
  return result.kind === "inputs" ? { ...result.inputs } : result.message;
}

const text = anInput("s");
const flag = anInput("b", { type: "boolean" });
const count = anInput("n", { type: "number" });

describe("callInputs", () => {
  it.each<[string, InputDefinition[], { [name: string]: Value }, object]>([
    ["values of the declared types", [text, flag, count], { s: "x", b: true, n: 1.5 }, { s: "x", b: true, n: 1.5 }],
    ["a boolean for a string", [text], { s: true }, { s: "true" }],
    ["a number for a string", [text], { s: 456 }, { s: "456" }],
    ["null for a string", [text], { s: null }, { s: "" }],
    ["nothing", [text, flag, count], {}, { s: "", b: false, n: 0 }],
    ["names in another case, spelled as declared", [anInput("Log-Level")], { "LOG-level": "x" }, { "Log-Level": "x" }],
    ["a literal default", [anInput("n", { type: "number", default: template(7) })], {}, { n: 7 }],
    [
      "a default that is given up for an empty string",
      [anInput("s", { default: template("x") })],
      { s: "" },
      { s: "" },
    ],
    [
      "a default that reads github and vars",
      [anInput("s", { default: template("${{ format('{0}-{1}', github.ref_name, vars.LEVEL) }}") })],
      {},
      { s: "main-debug" },
    ],
    [
      "a default that reads an input before it",
      [flag, anInput("c", { type: "boolean", default: template("${{ !inputs.b }}") })],
      { b: true },
      { b: true, c: false },
    ],
    ["a required input that is given as an empty string", [anInput("s", { required: true })], { s: "" }, { s: "" }],
    ["names that every JavaScript object has", [anInput("constructor")], {}, { constructor: "" }],
  ])("takes %s", (_, definitions, given, inputs) => {
    expect(call(definitions, given)).toEqual(inputs);
  });

  it.each<[string, InputDefinition[], { [name: string]: Value }]>([
    ["Invalid input, foo is not defined in the referenced workflow", [text], { foo: "bar" }],
    ["Invalid input, toString is not defined in the referenced workflow", [text], { toString: "bar" }],
    ["Input s is required, but not provided while calling", [anInput("s", { required: true })], {}],
    [
      "Input b is required, but not provided while calling",
      [anInput("b", { type: "boolean", required: true, default: template(true) })],
      {},
    ],
    [
      "Unexpected value 'true' for the input 'b', which is a boolean; text becomes one with `== 'true'`",
      [flag],
      { b: "true" },
    ],
    ["Unexpected value '' for the input 'b', which is a boolean", [flag], { b: null }],
    ["Unexpected value '1' for the input 'b', which is a boolean", [flag], { b: 1 }],
    [
      "Unexpected value '60' for the input 'n', which is a number; text becomes one with `fromJSON(…)`",
      [count],
      { n: "60" },
    ],
    ["A sequence was not expected for the input 's'", [text], { s: ["x"] }],
    ["A mapping was not expected for the input 'n'", [count], { n: {} }],
    [
      "Unexpected value 'main' for the default of input 'b', which is a boolean; text becomes one with `== 'true'`",
      [anInput("b", { type: "boolean", default: template("${{ github.ref_name }}") })],
      {},
    ],
    ["Default of input 's': Unrecognized function: 'nope'", [anInput("s", { default: template("${{ nope() }}") })], {}],
  ])("says: %s", (message, definitions, given) => {
    expect(call(definitions, given)).toBe(message);
  });

  it("takes no input where the workflow declares none", () => {
    const result = callInputs(aTrigger({ event: "workflow_call", inputs: undefined }), { a: 1 }, {});
    expect(result).toMatchObject({ kind: "refused", input: "a" });
    expect(callInputs(aTrigger({ event: "workflow_call" }), {}, {})).toEqual({ kind: "inputs", inputs: {} });
  });
});
