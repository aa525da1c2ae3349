import { expect, it } from "vitest";
import { probeQemu } from "./probe.ts";

it("refuses HVF wherever it is, naming what macOS lacks", async () => {
  expect(await probeQemu({ dataDir: "/nowhere", accelerator: "hvf" })).toEqual({
    ok: false,
    reason: expect.stringMatching(/\/proc\/self\/fd.*setpriv.*flock/),
    fix: expect.any(String),
  });
});
