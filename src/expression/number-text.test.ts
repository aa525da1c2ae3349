import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { numberToText, textToNumber } from "./number-text.ts";

describe("a number as text", () => {
  // What .NET prints for ToString("G15").
  test.each([
    [0, "0"],
    [-0, "0"],
    [1.1, "1.1"],
    [123456789.12345679, "123456789.123457"],
    [0.84551240822557006, "0.84551240822557"],
    [0.1 + 0.2, "0.3"],
    [100, "100"],
    [0.0001, "0.0001"],
    [0.00001, "1E-05"],
    [-0.000012345, "-1.2345E-05"],
    [999999999999999, "999999999999999"],
    [1e15, "1E+15"],
    [1587106672383762400, "1.58710667238376E+18"],
    [1e-20, "1E-20"],
    [1.5e300, "1.5E+300"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
  ])("%d is printed as %s", (number, text) => {
    expect(numberToText(number)).toBe(text);
  });

  it("reads back as the same number, to fifteen digits", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (number) => {
        expect(textToNumber(numberToText(number))).toBe(Number(number.toPrecision(15)) + 0);
      }),
    );
  });
});

describe("a text as number", () => {
  test.each([
    ["", 0],
    ["  12 ", 12],
    ["0xff", 255],
    ["0o17", 15],
    ["1e3", 1000],
    ["-Infinity", Number.NEGATIVE_INFINITY],
    ["0b11", Number.NaN],
    ["1_000", Number.NaN],
    ["v1", Number.NaN],
  ])("'%s' reads as %d", (text, number) => {
    expect(textToNumber(text)).toBe(number);
  });
});
