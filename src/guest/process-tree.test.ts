import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { expect, it } from "vitest";
import { killTracked } from "./process-tree.ts";

const module = join(import.meta.dirname, "process-tree.ts");

it("kills what carries the id, but neither the process that asks nor those that started it", () => {
  const id = randomUUID();
  const script = `import { killTracked } from ${JSON.stringify(module)}; await killTracked("${id}", { ownUserOnly: true });`;
  // The shell and Node carry the id themselves; only the sleep is to die.
  const shell =
    'sleep 1000 & "$NODE" --input-type=module-typescript -e "$SCRIPT"; wait $!; echo "sleep $?"; echo alive';
  const { stdout } = spawnSync("bash", ["-c", shell], {
    env: { ...process.env, RUNNER_TRACKING_ID: id, NODE: process.execPath, SCRIPT: script },
    encoding: "utf8",
  });
  expect(stdout).toBe("sleep 137\nalive\n");
});

it("takes no other id for it, not even a longer one", async () => {
  const id = randomUUID();
  const other = spawn("sleep", ["1000"], { env: { RUNNER_TRACKING_ID: `${id}2`, X: `RUNNER_TRACKING_ID=${id}` } });
  await once(other, "spawn");
  await killTracked(id, { ownUserOnly: true });
  expect(other.exitCode === null && other.signalCode === null).toBe(true);
  other.kill("SIGKILL");
  await once(other, "exit");
});
