import { expect, it } from "vitest";
import { run } from "./fake-command-line.ts";
import { frontPage } from "./front-page.ts";

it("is what the program's own definitions say", async () => {
  expect((await run(["--help"])).stdout).toBe(frontPage);
});
