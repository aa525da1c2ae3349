/**
 * Machines of no run that whoever may enter a run of this user can enter, while the process that holds them lives: each has a directory,
 * named as it is, with a door in it as a run's directory has one.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { HeldMachines } from "./commands/hearth.ts";
import { claimDirectory, removeOwned, sweepAbandoned } from "./lib/owned-directory.ts";

/** `directory` is theirs alone. */
export function createHeldMachines(directory: string): HeldMachines {
  return {
    async hold(name, { machine }, place) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      await sweepAbandoned(directory);
      await using undo = new AsyncDisposableStack();
      const { id, path } = takeName(directory, name);
      undo.defer(() => removeOwned(path));
      const { openRunDoor } = await import("./door/run-door.ts");
      const door = undo.use(await openRunDoor(path));
      undo.use(
        door.admit({
          job: id,
          id,
          machine: machine.id,
          isolation: machine.isolation,
          agent: () => machine.agent,
          place: () => place,
          pausedAt: () => undefined,
          decide: () => false,
        }),
      );
      const owned = undo.move();
      return { id, [Symbol.asyncDispose]: async () => owned.disposeAsync() };
    },
    async enter(id) {
      const path = join(directory, id);
      // No name of one has anything else in it: what is typed leads nowhere else.
      if (!/^[a-z0-9]+$/.test(id) || !existsSync(path)) return undefined;
      const { enterRun } = await import("./door/enter-run.ts");
      return enterRun(id, path, undefined);
    },
  };
}

/** The first that is free of `run1`, `run2` ...; whoever makes the directory has it. */
function takeName(directory: string, name: string): { readonly id: string; readonly path: string } {
  for (let number = 1; ; number += 1) {
    const id = `${name}f${number}`;
    const path = join(directory, id);
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") continue;
      throw error;
    }
    claimDirectory(path);
    return { id, path };
  }
}
