/**
 * `npm run bench [section]`: figures of the release build beside peers, as ratios from one run. Sections: startup, plan, steps,
 * machines (of one provider: `machines gvisor`), time-travel (by itself; `time-travel qemu`), bulk, services, actions, translations (part of plan). Peers are used when they are there: `act` on PATH or in ~/go/bin.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { measureBulk } from "./bulk.ts";
import { measure, printTimings } from "./measure.ts";
import type { Contender } from "./measure.ts";
import { measureMachines } from "./machines.ts";
import { measureActions } from "./actions.ts";
import { measureCorpus, measureGrowth } from "./planning.ts";
import { measureServices } from "./services.ts";
import { measureTimeTravel } from "./time-travel.ts";
import { measureTranslations } from "./translations.ts";

const ROOT = join(import.meta.dirname, "..");
const NODE = process.execPath;
const HEARTH = join(ROOT, "dist", "main.js");
const CORPUS = join(ROOT, "..", "shared", "corpus");
const TERRAPHIM = join(CORPUS, "terraphim+terraphim-ai", "workflows");
/** Its YAML is broken; act refuses a whole directory for its sake. */
const BROKEN = "sentrux-quality-gate.yml";

const scratch = mkdtempSync(join(tmpdir(), "hearth-bench-"));
const act = findProgram("act");
const wanted = process.argv[2];

try {
  // What is measured is what the sources say now.
  execFileSync(NODE, [join(ROOT, "scripts", "build.ts")], { stdio: "ignore" });
  if (wanted === undefined || wanted === "startup") await startup();
  if (wanted === undefined || wanted === "plan") await plan();
  if (wanted === "translations") await measureTranslations(scratch, HEARTH, goodProject());
  if (wanted === undefined || wanted === "steps") await steps();
  if (wanted === undefined || wanted === "machines") await measureMachines(process.argv[3]);
  if (wanted === "time-travel") await measureTimeTravel(scratch, HEARTH, process.argv[3]);
  if (wanted === undefined || wanted === "bulk") await measureBulk();
  if (wanted === undefined || wanted === "services") await measureServices();
  if (wanted === undefined || wanted === "actions") await measureActions();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function startup(): Promise<void> {
  const timings = await measure(
    [
      { name: "node -e 0", argv: [NODE, "-e", "0"] },
      { name: "hearth --help", argv: [NODE, HEARTH, "--help"] },
      { name: "hearth run --help", argv: [NODE, HEARTH, "run", "--help"] },
    ],
    11,
  );
  printTimings("Start-up", timings);
}

function terraphimProject(name: string): string {
  const directory = join(scratch, name);
  const workflows = join(directory, ".github", "workflows");
  mkdirSync(workflows, { recursive: true });
  cpSync(TERRAPHIM, workflows, { recursive: true });
  execFileSync("git", ["init", "-q", directory]);
  return directory;
}

/** All of its workflows can be read. */
function goodProject(): string {
  const good = terraphimProject("good");
  rmSync(join(good, ".github", "workflows", BROKEN));
  return good;
}

async function plan(): Promise<void> {
  const [whole, good] = [terraphimProject("whole"), goodProject()];
  const contenders: Contender[] = [
    { name: "hearth plan, all 30 terraphim workflows", argv: [NODE, HEARTH, "plan", whole], exitCode: 3 },
  ];
  if (act !== undefined) contenders.unshift({ name: "act -l, the 29 that it accepts", argv: [act, "-l"], cwd: good });
  printTimings("Planning", await measure(contenders, 9));
  await measureTranslations(scratch, HEARTH, good);
  measureCorpus(CORPUS);
  await measureGrowth();
}

async function steps(): Promise<void> {
  for (const count of [10, 100]) {
    const project = join(scratch, `steps-${count}`);
    writeSteps(project, count);
    const contenders: Contender[] = [
      { name: `plain bash, ${count} scripts`, argv: ["bash", join(project, "plain.sh")] },
      {
        name: `hearth --provider host, ${count} steps`,
        argv: [NODE, HEARTH, "run", "--provider", "host"],
        cwd: project,
      },
    ];
    if (act !== undefined) {
      const argv = [act, "push", "-P", "ubuntu-latest=-self-hosted", "--pull=false"] as const;
      contenders.push({ name: `act on the host, ${count} steps`, argv: [...argv], cwd: project });
    }
    if (count === 10) {
      const argv = [NODE, HEARTH, "run", "--provider", "gvisor"] as const;
      contenders.push({ name: "hearth in a cold gVisor machine, 10 steps", argv: [...argv], cwd: project });
    }
    printTimings(`${count} steps`, await measure(contenders, 7));
  }
}

function writeSteps(project: string, count: number): void {
  const workflows = join(project, ".github", "workflows");
  mkdirSync(workflows, { recursive: true });
  const commands = Array.from({ length: count }, (_, index) => `echo step ${index + 1}`);
  const yaml = commands.map((command) => `      - run: ${command}\n`).join("");
  writeFileSync(
    join(workflows, "steps.yml"),
    `on: push\njobs:\n  steps:\n    runs-on: ubuntu-latest\n    steps:\n${yaml}`,
  );
  const scripts = commands.map((command, index) => {
    writeFileSync(join(project, `step-${index}.sh`), `${command}\n`);
    return `bash -e ${join(project, `step-${index}.sh`)}\n`;
  });
  writeFileSync(join(project, "plain.sh"), scripts.join(""));
  execFileSync("git", ["init", "-q", project]);
  execFileSync("git", ["-C", project, "add", "-A"]);
  execFileSync("git", ["-C", project, "-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "steps"]);
}

function findProgram(name: string): string | undefined {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), join(homedir(), "go", "bin")];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}
