/** `hearth retry --sync`: what has changed in the working tree since the run began is put where the run checked it out. */
import { randomUUID } from "node:crypto";
import type { ResumedMachine, Resumption } from "../engine/resumption.ts";
import { EngineError } from "../lib/engine-error.ts";
import { counted } from "./counted.ts";
import type { Hearth } from "./hearth.ts";

/** `say` is told how much that is. Throws BAD_USAGE where the changes cannot be known. */
export async function syncTree(
  hearth: Hearth,
  run: string,
  repository: string,
  say: (text: string) => void,
): Promise<NonNullable<Resumption["prepare"]>> {
  const changes = await hearth.changesSince(run, repository);
  if (changes === undefined) {
    throw new EngineError(
      "BAD_USAGE",
      `Cannot use --sync: nobody knows what the working tree was when run ${run} began`,
      {
        hint: "A run that took checkpoints and checks its repository out can be synced",
      },
    );
  }
  const { changed, removed, archives } = changes;
  say(`${counted(changed.length, "file")} changed and ${removed.length} removed since run ${run} began`);
  return async (machine) => {
    const { agent, layout } = machine;
    for await (const archive of archives()) await agent.unpack(layout.workspace, whole(archive));
    if (removed.length > 0) await remove(machine, removed);
  };
}

async function* whole(archive: Buffer): AsyncGenerator<Buffer> {
  yield archive;
}

/** By their names in a file: there may be more than fit on a command line, and they may be called anything. */
async function remove({ agent, layout, environment }: ResumedMachine, paths: readonly string[]): Promise<void> {
  const id = `sync-${randomUUID()}`;
  const list = `${layout.temp}/${id}`;
  const argv = ["bash", "-c", 'xargs -0 rm -f -- < "$1"; rm -f -- "$1"', "bash", list];
  const write = [{ path: list, content: paths.map((path) => `${path}\0`).join(""), mode: 0o600 }];
  const request = { id, argv, env: { ...environment }, cwd: layout.workspace, user: "runner" as const };
  await agent.exec({ ...request, write, read: [] }, () => undefined);
}
