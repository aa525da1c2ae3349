/** What a test left on this host: processes, mounts and directories that carry Hearth's marks. Empty when all is well. */
import { readFile, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";

const MARK = /hearth/;
/** When Hearth runs its own tests, every process carries the outer run's id. */
const OUTER_ID = process.env["RUNNER_TRACKING_ID"];
const MACHINE = /runsc|qemu-system/;

export async function leftovers(): Promise<string[]> {
  return [...(await processes()), ...(await mounts()), ...(await directories())];
}

async function processes(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
    const [command, environment] = await Promise.all([read("cmdline"), read("environ")]);
    const trackingId = /(?:^|\0)RUNNER_TRACKING_ID=(github_[^\0]*)/.exec(environment)?.[1];
    const tracked = trackingId !== undefined && trackingId !== OUTER_ID;
    if (tracked || (MACHINE.test(command) && MARK.test(command))) {
      found.push(`process ${pid}: ${command.replaceAll("\0", " ").slice(0, 200)}`);
    }
  }
  return found;
}

async function mounts(): Promise<string[]> {
  const table = await readFile("/proc/mounts", "utf8");
  return table
    .split("\n")
    .filter((line) => MARK.test(line))
    .map((line) => `mount ${line}`);
}

async function directories(): Promise<string[]> {
  const names = await readdir(tmpdir());
  const found: string[] = [];
  for (const name of names.filter((entry) => entry.startsWith("hearth-") && !entry.startsWith("hearth-test-"))) {
    const inside = await readdir(`${tmpdir()}/${name}`, { recursive: true }).catch(() => []);
    if (inside.length > 0) found.push(`directory ${tmpdir()}/${name}: ${inside.slice(0, 5).join(", ")}`);
  }
  return found;
}
