import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseWorkflowCommand } from "./workflow-command.ts";

const parse = (line: string): unknown => {
  const command = parseWorkflowCommand(line, (name) => name === "do-something");
  return command === undefined ? undefined : [command.name, Object.fromEntries(command.properties), command.data];
};

/** ACTIONS-CONTRACT §2.2, and the cases of GitHub's own test of its parser. */
describe("parseWorkflowCommand", () => {
  it.each([
    ["v2 with properties", "::do-something k1=v1,::msg", "do-something", { k1: "v1" }, "msg"],
    ["v2 without anything", "::do-something::", "do-something", {}, ""],
    [
      "v2 escapes",
      "::do-something k1=;=%2C=%0D=%0A=]=%3A,::;-%0D-%0A-]-:-,",
      "do-something",
      { k1: ";=,=\r=\n=]=:" },
      ";-\r-\n-]-:-,",
    ],
    [
      "v2 escaped escapes",
      "::do-something k1=;=%252C=%250D=%250A=]=%253A,::;-%250D-%250A-]-:-,",
      "do-something",
      { k1: ";=%2C=%0D=%0A=]=%3A" },
      ";-%0D-%0A-]-:-,",
    ],
    ["v2 drops empty values", "::do-something k1=,k2=,::", "do-something", {}, ""],
    ["v2 after white space", " \t ::do-something k1=v1,::msg", "do-something", { k1: "v1" }, "msg"],
    ["data with :: in it", "::do-something::a::b", "do-something", {}, "a::b"],
    ["names in any case", "::DO-Something K1=v::x", "DO-Something", { k1: "v" }, "x"],
    ["the last of a key given twice", "::do-something k=1,K=2::", "do-something", { k: "2" }, ""],
    ["v1 with properties", "##[do-something k1=v1;]msg", "do-something", { k1: "v1" }, "msg"],
    ["v1 without anything", "##[do-something]", "do-something", {}, ""],
    [
      "v1 escapes",
      "##[do-something k1=%3B=%0D=%0A=%5D;]%3B-%0D-%0A-%5D",
      "do-something",
      { k1: ";=\r=\n=]" },
      ";-\r-\n-]",
    ],
    [
      "v1 escaped escapes",
      "##[do-something k1=%253B=%250D=%250A=%255D;]%253B-%250D-%250A-%255D",
      "do-something",
      { k1: "%3B=%0D=%0A=%5D" },
      "%3B-%0D-%0A-%5D",
    ],
    ["v1 drops empty values", "##[do-something k1=;k2=;]", "do-something", {}, ""],
    ["v1 anywhere in the line", ">>>   ##[do-something k1=v1;]msg", "do-something", { k1: "v1" }, "msg"],
    ["v1 behind a v2 that is no command", "::unknown:: ##[do-something]x", "do-something", {}, "x"],
  ])("reads %s", (_, line, name, properties, data) => {
    expect(parse(line)).toEqual([name, properties, data]);
  });

  it.each([
    "   >>>   ::do-something k1=v1,::msg",
    "::unknown::msg",
    "##[unknown]msg",
    "::do-something",
    "::do-something msg",
    "##[do-something msg",
    ":: do-something::",
    "::::",
    "##[]",
    "",
    "text",
  ])("takes %j for text", (line) => {
    expect(parse(line)).toBeUndefined();
  });

  const anyText = fc.string({
    unit: fc.constantFrom("%", "2", "5", "0", "D", "A", "\r", "\n", ":", ",", ";", "]", "é", " ", "x"),
  });

  it("reads back what @actions/core writes", () => {
    fc.assert(
      fc.property(anyText, anyText, (value, data) => {
        const given = value.trim() === value && value !== "" ? { title: value } : {};
        const properties = Object.entries(given).map(([key, text]) => ` ${key}=${escapeProperty(text)}`);
        expect(parse(`::do-something${properties.join(",")}::${escapeData(data)}`)).toEqual([
          "do-something",
          given,
          data,
        ]);
      }),
      { numRuns: 1000 },
    );
  });
});

/** As @actions/core's `command.ts` writes. */
function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
