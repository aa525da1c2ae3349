import { describe, expect, it } from "vitest";
import { diskMibFor } from "./disk-space.ts";

const GIB = 1024 ** 3;
const having = (gib: number) => async () => gib * GIB;

describe("diskMibFor", () => {
  it.each([
    ["20 GiB where there is plenty", 300, 20 * 1024],
    ["what is there but for 2 GiB where there is less, in whole GiB", 10.9, 8 * 1024],
    ["1 GiB at least", 3, 1024],
  ])("is %s", async (_, free, expected) => {
    expect(await diskMibFor("/data", "m1", having(free))).toBe(expected);
  });

  it("refuses a machine where too little is free, and says how much and where", async () => {
    await expect(diskMibFor("/data", "m1", having(2.94))).rejects.toMatchObject({
      code: "MACHINE_START_FAILED",
      message: "Cannot start machine m1: 2.9 GiB are free in /data, at least 3 are needed",
      hint: expect.stringContaining("HEARTH_DATA"),
    });
  });

  it("asks the file system that the directory is on", async () => {
    await expect(diskMibFor("/hearth/no/such/directory", "m1")).rejects.toMatchObject({ code: "ENOENT" });
  });
});
