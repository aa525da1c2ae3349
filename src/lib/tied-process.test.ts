import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "./run-command.ts";
import { ifUnshareLives, tiedNamespacePrefix, tiedPrefix } from "./tied-process.ts";

/** A Hearth that starts something by way of `slow`, says its pid, and is killed at once. */
const KILLED = `import { spawn } from "node:child_process";
  import { writeSync } from "node:fs";
  import * as tied from ${JSON.stringify(join(import.meta.dirname, "tied-process.ts"))};
  const [prefix, slow, ...argv] = JSON.parse(process.argv[1]);
  const child = spawn(slow[0], [...slow.slice(1), ...tied[prefix](), ...argv], { detached: true, stdio: "ignore" });
  writeSync(1, String(child.pid));
  process.kill(process.pid, "SIGKILL");`;

async function startAndBeKilled(...wish: readonly unknown[]): Promise<string> {
  const { stdout } = await runCommand([
    process.execPath,
    "--input-type=module",
    "--eval",
    KILLED,
    JSON.stringify(wish),
  ]);
  expect(stdout).toMatch(/^\d+$/);
  return stdout;
}

/** A zombie runs no more; who is to look after it is this host's business. */
function isRunning(pid: string): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

describe.runIf(process.platform === "linux")("a tied process", () => {
  it("becomes what stands behind it, arguments as they are", async () => {
    for (const prefix of [tiedPrefix(), tiedNamespacePrefix()]) {
      expect(await runCommand([...prefix, "echo", "a b", "c"])).toMatchObject({ code: 0, stdout: "a b c\n" });
    }
  });

  it("is not started when its parent is another one already", async () => {
    const other = ["sh", "-c", '"$@"; exit $?', "sh"];
    const result = await runCommand([...other, ...tiedPrefix(), "echo", "run"]);
    expect(result).toMatchObject({ code: 125, stdout: "" });
  });

  it.each([
    ["before it could ask to be", ["sh", "-c", 'sleep 0.2; exec "$@"', "sh"]],
    ["at about the time when it asks to be", ["env"]],
  ])("ends with its parent when that is killed %s", async (_, slow) => {
    for (const prefix of ["tiedPrefix", "tiedNamespacePrefix"]) {
      const pid = await startAndBeKilled(prefix, slow, "sleep", "1000");
      await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false);
    }
  });

  it("is not started in a namespace whose maker is gone", async () => {
    const gone = ["sh", "-c", `sleep 0 & exec 3</proc/$!/stat; wait; exec "$@"`, "sh"];
    const inside = ["sh", "-c", `${ifUnshareLives}exec "$@"`, "sh", "echo", "run"];
    expect(await runCommand([...gone, ...inside])).toMatchObject({ code: 125, stdout: "" });
  });
});
