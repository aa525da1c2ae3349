/** Three jobs with five steps in one workflow, each of which says which boot of which kernel it sees. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEvents } from "./example-record.ts";
import { sandbox } from "./run-hearth.ts";

const SAY = "      - run: echo boot-$(cat /proc/sys/kernel/random/boot_id)\n";
const job = (name: string, steps: number, rest = ""): string =>
  `  ${name}:\n    runs-on: ubuntu-latest\n${rest}    steps:\n${SAY.repeat(steps)}`;
const WORKFLOW = `on: push\njobs:\n${job("one", 2)}${job("two", 2)}${job("three", 1, "    needs: [one, two]\n")}`;

export interface BootIds {
  /** What the steps printed, one each. */
  readonly inside: readonly string[];
  /** What the machines' agents said, one for each machine. */
  readonly outside: readonly string[];
}

export async function bootIdsOf(provider: string): Promise<BootIds> {
  await using place = await sandbox();
  const workflows = join(place.directory, "project", ".github", "workflows");
  await mkdir(workflows, { recursive: true });
  await writeFile(join(workflows, "boots.yml"), WORKFLOW);
  const { stdout } = await place.run(["run", "--provider", provider, "--json"], {
    cwd: join(place.directory, "project"),
  });
  const events = parseEvents(stdout);
  return {
    inside: events.flatMap((event) => (event.type === "log" ? (/^boot-(\S+)$/.exec(event.line)?.slice(1) ?? []) : [])),
    outside: events.flatMap((event) => (event.type === "machine_ready" ? [event.bootId] : [])),
  };
}
