/** One machine, several jobs: each has a token of its own, which does what its own job may and ends with it. */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sandbox } from "../run-hearth.ts";

const ASK = `ask() { node -e '
  const [, method, body] = process.argv;
  fetch(process.env.GITHUB_API_URL + "/repos/" + process.env.GITHUB_REPOSITORY + "/issues", {
    method, body, headers: { authorization: "token " + process.env.TOKEN },
  }).then((answer) => console.log(process.env.WHOSE, method, answer.status));
' "$@"; }`;

function step(env: string, script: string): string {
  const lines = `${ASK}\n${script}`.split("\n").map((line) => `          ${line}\n`);
  return `      - env: { ${env} }\n        run: |\n${lines.join("")}`;
}

const OWN = 'WHOSE: own, TOKEN: "${{ github.token }}"';
const workflow = `on: push
permissions: { issues: read }
jobs:
  first:
    runs-on: ubuntu-latest
    permissions: { issues: write }
    steps:
${step(OWN, `ask POST '{"title":"x"}'\nprintf %s "$TOKEN" > "$KEPT/token"`)}
  second:
    needs: first
    runs-on: ubuntu-latest
    steps:
${step(OWN, `ask GET\nask POST '{"title":"x"}'\necho "printed $(cat "$KEPT/token")"`)}
${step("WHOSE: ended", 'TOKEN=$(cat "$KEPT/token") ask GET')}
  called:
    needs: second
    uses: ./.github/workflows/called.yml
    secrets: { given: "\${{ secrets.GITHUB_TOKEN }}" }
`;
const called = `on: { workflow_call: { secrets: { given: {} } } }
jobs:
  third:
    runs-on: ubuntu-latest
    steps:
${step('WHOSE: given, TOKEN: "${{ secrets.given }}"', 'ask GET\ntest "$TOKEN" = "${{ github.token }}"')}
`;

it("a job's token has its own permissions, is hidden after its end and opens nothing then", async () => {
  await using box = await sandbox();
  const root = join(box.directory, "project");
  const kept = join(box.directory, "kept");
  await mkdir(join(root, ".github/workflows"), { recursive: true });
  await mkdir(kept);
  await writeFile(join(root, ".github/workflows/ci.yml"), workflow);
  await writeFile(join(root, ".github/workflows/called.yml"), called);
  const git = (...args: string[]): void =>
    void execFileSync("git", ["-c", "user.name=A", "-c", "user.email=a@example.com", ...args], { cwd: root });
  git("init", "-q", "-b", "main");
  git("remote", "add", "origin", "https://github.com/octo/demo.git");
  git("add", "-A");
  git("commit", "-q", "-m", "First");
  const { stdout, stderr, exitCode } = await box.run(
    ["run", ".github/workflows/ci.yml", "--provider", "host", "--env", `KEPT=${kept}`],
    { cwd: root, env: { GITHUB_TOKEN: "" } },
  );
  const answers = [...stdout.matchAll(/(?:own|ended|given) (?:GET|POST) \d+|printed .*/g)].map(([line]) => line);
  expect({ answers, trouble: exitCode === 0 ? "" : `${stdout}\n${stderr}` }).toEqual({
    answers: ["own POST 201", "own GET 200", "own POST 403", "printed ***", "ended GET 401", "given GET 200"],
    trouble: "",
  });
});
