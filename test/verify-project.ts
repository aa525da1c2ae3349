/** A project whose actions are in a mirror, and for which rules stand: one real action does what its rule does, one does more. */
import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Sandbox } from "./run-hearth.ts";

export interface VerifyProject {
  readonly project: string;
  /** For `hearth translate verify`. */
  readonly flags: readonly string[];
  readonly env: Record<string, string>;
}

const WORKFLOW = {
  on: "push",
  jobs: {
    build: {
      "runs-on": "ubuntu-latest",
      strategy: { matrix: { file: ["a.xml"] } },
      steps: [
        { uses: "actions/checkout@v4" },
        { id: "coverage", uses: "codecov/codecov-action@v4", with: { files: "a.xml" } },
        { uses: "Swatinem/rust-cache@v2" },
        { id: "cell", uses: "codecov/codecov-action@v4", with: { files: "${{ matrix.file }}" } },
        { id: "nowhere", uses: "octo/nowhere@v1" },
        { uses: "rui314/setup-mold@v1" },
      ],
    },
  },
};

const ACTIONS: Readonly<Record<string, object>> = {
  "codecov/codecov-action@v4": {
    name: "Uploads",
    inputs: { files: { default: "" } },
    runs: {
      using: "composite",
      steps: [
        { shell: "bash", env: { FILES: "${{ inputs.files }}" }, run: 'test "$FILES" = a.xml && test -f keep.txt' },
      ],
    },
  },
  "Swatinem/rust-cache@v2": {
    name: "Restores",
    outputs: { "cache-hit": { value: "${{ steps.it.outputs.hit }}" } },
    runs: {
      using: "composite",
      steps: [
        {
          id: "it",
          shell: "bash",
          run: [
            'echo hit=true >> "$GITHUB_OUTPUT"',
            'echo "RESTORED=$GITHUB_WORKSPACE/target" >> "$GITHUB_ENV"',
            'echo "$HOME/of-the-cache/bin" >> "$GITHUB_PATH"',
            "mkdir target; echo 1 > target/cached; rm keep.txt",
          ].join("\n"),
        },
      ],
    },
  },
  "rui314/setup-mold@v1": { name: "Mold", runs: { using: "docker", image: "Dockerfile" } },
};

export async function verifyProject({ directory }: Sandbox): Promise<VerifyProject> {
  const project = join(directory, "project");
  await mkdir(join(project, ".github", "workflows"), { recursive: true });
  await writeFile(join(project, ".github", "workflows", "ci.yml"), JSON.stringify(WORKFLOW));
  await writeFile(join(project, "keep.txt"), "not committed");
  // Where the command puts files of its own, somebody has a link to what is theirs.
  await mkdir(join(directory, "theirs"));
  await writeFile(join(directory, "theirs", "precious"), "");
  await symlink(join(directory, "theirs"), join(project, ".hearth-verify"));
  execFileSync("git", ["init", "-q", "-b", "main", project]);
  const mirror = join(directory, "mirror");
  for (const [name, manifest] of Object.entries(ACTIONS)) await keepAction(mirror, name, manifest);
  return { project, flags: ["--mirror", mirror], env: { GITHUB_SERVER_URL: "http://127.0.0.1:9" } };
}

async function keepAction(mirror: string, reference: string, manifest: object): Promise<void> {
  const [name = "", tag = ""] = reference.split("@");
  const work = join(mirror, "work");
  await mkdir(work, { recursive: true });
  await writeFile(join(work, "action.yml"), JSON.stringify(manifest));
  const git = (...args: readonly string[]): void => {
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...args], { cwd: work });
  };
  git("init", "-q", "-b", "main", ".");
  git("add", "-A");
  git("commit", "-qm", "x");
  git("tag", tag);
  await mkdir(dirname(join(mirror, name)), { recursive: true });
  git("clone", "-q", "--bare", ".", join(mirror, `${name}.git`));
  await rm(work, { recursive: true });
}
