import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { makeRunDirectory } from "./run-directory.ts";

const directory = mkdtempSync(join(tmpdir(), "hearth-run-directory-"));
afterAll(() => rmSync(directory, { recursive: true }));

it("is closed to others, and may be there already", async () => {
  const path = join(directory, "a/hearth");
  await makeRunDirectory(path);
  await makeRunDirectory(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

it("that cannot be made is named, with what names another", async () => {
  writeFileSync(join(directory, "file"), "");
  await expect(makeRunDirectory(join(directory, "file/hearth"))).rejects.toMatchObject({
    code: "STATE_UNWRITABLE",
    message: expect.stringContaining(join(directory, "file/hearth")),
    hint: expect.stringContaining("XDG_RUNTIME_DIR"),
  });
});
