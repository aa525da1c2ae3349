import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseBlockList } from "./blob-block-list.ts";

const PROLOG = '<?xml version="1.0" encoding="utf-8"?>';

function listOf(count: number): string {
  return `<BlockList>${"<Latest>YQ==</Latest>".repeat(count)}</BlockList>`;
}

describe("parseBlockList", () => {
  it("reads the ids in order, whatever they are said to be", () => {
    const entries = "<Latest>YQ==</Latest>\n  <Committed>Yg==</Committed><Uncommitted>YQ==</Uncommitted>";
    expect(parseBlockList(`\uFEFF${PROLOG}\r\n<BlockList>\n${entries}\n</BlockList>\n`)).toEqual([
      "YQ==",
      "Yg==",
      "YQ==",
    ]);
    expect(parseBlockList(`<BlockList>${entries}</BlockList>`)).toEqual(["YQ==", "Yg==", "YQ=="]);
  });

  it.each(["<BlockList/>", "<BlockList></BlockList>", `${PROLOG}<BlockList />`])("reads none out of %s", (text) => {
    expect(parseBlockList(text)).toEqual([]);
  });

  it.each([
    "",
    "YQ==",
    "<BlockList>",
    "<BlockList><Latest>YQ==</Committed></BlockList>",
    "<BlockList><Latest></Latest></BlockList>",
    "<BlockList><Latest>../x</Latest></BlockList>",
    "<BlockList><Latest a='1'>YQ==</Latest></BlockList>",
    '<!DOCTYPE x [<!ENTITY a "b">]><BlockList><Latest>&a;</Latest></BlockList>',
    "<BlockList><Latest>YQ==</Latest></BlockList><BlockList/>",
    `<BlockList><Latest>${"A".repeat(200)}</Latest></BlockList>`,
  ])("takes nothing else: %s", (text) => {
    expect(parseBlockList(text)).toBeUndefined();
  });

  it("reads as many as Azure allows, and not one more", () => {
    expect(parseBlockList(listOf(50_000))?.length).toBe(50_000);
    expect(parseBlockList(listOf(50_001))).toBeUndefined();
  });

  it("reads back what a client writes", () => {
    const id = fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString("base64"));
    fc.assert(
      fc.property(fc.array(id, { maxLength: 50 }), (ids) => {
        const xml = `${PROLOG}<BlockList>${ids.map((one) => `<Latest>${one}</Latest>`).join("")}</BlockList>`;
        expect(parseBlockList(xml)).toEqual(ids);
      }),
    );
  });

  it("answers for any text, and soon", () => {
    fc.assert(fc.property(fc.string({ maxLength: 500 }), (text) => void parseBlockList(text)));
    const startedAt = performance.now();
    parseBlockList(`<BlockList>${"<Latest>".repeat(500_000)}`);
    parseBlockList(`${" ".repeat(4_000_000)}<`);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});
