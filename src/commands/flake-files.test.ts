import { expect, it } from "vitest";
import type { ForkDirectories } from "../engine/matrix-fork-directories.ts";
import { readSavedJob } from "../engine/saved-job.ts";
import { fakeHearth } from "./fake-hearth.ts";
import { FlakeMachines } from "./flake-files.ts";
import type { OpenKept } from "./open-moment.ts";
import { pastCheckpoint, pastMachine, savedJob, workspace } from "./past-machine.fixture.ts";
import type { Past } from "./past-machine.fixture.ts";

const { signal } = new AbortController();
const BEFORE: Past = { files: { [`${workspace}/a`]: { text: "good" } } };
const SUCCESS: Past = { files: { ...BEFORE.files, [`${workspace}/log`]: { text: "fine" } } };
const FAILURE: Past = { files: { ...SUCCESS.files, [`${workspace}/core`]: { text: "dump" } } };
const saves = { save: async () => undefined };

/** Machines of which directories are named as they are made: `/kept/1`. */
function places(): ForkDirectories & { readonly there: Set<string> } {
  const there = new Set<string>();
  let count = 0;
  return {
    there,
    async make() {
      const path = `/kept/${(count += 1)}`;
      there.add(path);
      return { path, [Symbol.asyncDispose]: async () => void there.delete(path) };
    },
  };
}

function flakeOf(kept: Readonly<Record<string, Past>>) {
  const hearth = fakeHearth({
    restored: ({ saved }) => ({
      machine: pastMachine(kept[saved?.directory ?? ""] ?? {}),
      [Symbol.asyncDispose]: async () => undefined,
    }),
  });
  const before: OpenKept = {
    checkpoint: pastCheckpoint(2),
    saved: readSavedJob(savedJob(2, BEFORE)),
    directory: "/before",
    [Symbol.asyncDispose]: async () => undefined,
  };
  const made = places();
  return { hearth, machines: new FlakeMachines(made, before), there: made.there };
}

const pathsOf = (files: readonly { readonly path: string }[] = []) => files.map(({ path }) => path);

it("keeps the first of each kind, tells what a failure touched and where it differs, and leaves nothing", async () => {
  const { hearth, machines, there } = flakeOf({ "/before": BEFORE, "/kept/1": SUCCESS, "/kept/2": FAILURE });
  await machines.keep("success", 1, saves, signal);
  await machines.keep("success", 2, saves, signal);
  await machines.keep("failure", 3, saves, signal);
  const { touched, differing, unknown } = await machines.compare(hearth, signal);
  expect([touched?.trial, pathsOf(touched?.files)]).toEqual([3, [`${workspace}/core`, `${workspace}/log`]]);
  expect(differing).toMatchObject({ success: 1, failure: 3 });
  expect(pathsOf(differing?.files)).toEqual([`${workspace}/core`]);
  expect(unknown).toBeUndefined();
  expect([...there]).toEqual(["/kept/1", "/kept/2"]);
  await machines[Symbol.asyncDispose]();
  expect([...there]).toEqual([]);
});

it("says why one could not be kept, beside what the other tells", async () => {
  const { hearth, machines, there } = flakeOf({ "/before": BEFORE, "/kept/2": FAILURE });
  await machines.keep("success", 1, { save: async () => "it has no room" }, signal);
  await machines.keep("failure", 2, saves, signal);
  expect([...there]).toEqual(["/kept/2"]);
  const { touched, differing, unknown } = await machines.compare(hearth, signal);
  expect(touched?.trial).toBe(2);
  expect(differing).toBeUndefined();
  expect(unknown).toBe("it has no room");
});

it("tells nothing when it was interrupted", async () => {
  const { hearth, machines } = flakeOf({ "/before": BEFORE, "/kept/1": FAILURE });
  await machines.keep("failure", 1, saves, signal);
  expect(await machines.compare(hearth, AbortSignal.abort())).toEqual({});
});
