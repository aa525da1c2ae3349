import { mkdtemp, rm, writeFile, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unpackTar } from "modern-tar";
import { describeDirectory } from "./repository.ts";
import { archivesOf, changesSince, keepListing } from "./tree-changes.ts";
import { snapshotWorkingTree } from "./working-tree.ts";

let directory: string;
let project: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-tree-"));
  project = await mkdtemp(join(tmpdir(), "hearth-tree-project-"));
});

afterEach(async () => {
  await Promise.all([directory, project].map((path) => rm(path, { recursive: true, force: true })));
});

async function snapshot(name: string) {
  return snapshotWorkingTree(await describeDirectory(project), join(directory, name));
}

describe("what has changed in a working tree since a run began", () => {
  it("is what was added, changed in content or mode, and removed", async () => {
    await Promise.all(["same", "edited", "gone", "ä ö"].map((name) => writeFile(join(project, name), "before")));
    await keepListing(directory, await snapshot("one"));
    await writeFile(join(project, "edited"), "after");
    await writeFile(join(project, "ä ö"), "after too");
    await writeFile(join(project, "new"), "new", { mode: 0o755 });
    await unlink(join(project, "gone"));
    const now = await snapshot("two");
    const changes = await changesSince(directory, now);
    expect(changes?.changed.toSorted()).toEqual(["edited", "new", "ä ö"].toSorted());
    expect(changes?.removed).toEqual(["gone"]);

    const files = new Map<string, string>();
    for await (const tar of archivesOf(now, changes?.changed ?? [])) {
      for (const { header, data } of await unpackTar(tar)) {
        if (header.type === "file") files.set(header.name, Buffer.from(data ?? []).toString());
      }
    }
    expect(Object.fromEntries(files)).toEqual({ edited: "after", new: "new", "ä ö": "after too" });
  });

  it("is not known of a run that kept no listing", async () => {
    await writeFile(join(project, "file"), "text");
    expect(await changesSince(directory, await snapshot("one"))).toBeUndefined();
  });
});
