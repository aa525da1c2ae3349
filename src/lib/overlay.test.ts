import { expect, it } from "vitest";
import { overlay } from "./overlay.ts";

it("hides a name of the base in whatever case it is given again", () => {
  expect(overlay({ region: "eu", Zone: "1" }, { REGION: "us" })).toEqual({ Zone: "1", REGION: "us" });
  expect(overlay({ a: "1" })).toEqual({ a: "1" });
});

it("takes __proto__ for a name like others", () => {
  const over = Object.fromEntries([["__proto__", "x"]]);
  expect(Object.entries(overlay({ a: "1" }, over))).toEqual([
    ["a", "1"],
    ["__proto__", "x"],
  ]);
});
