/** What `hearth diff` finds of steps that changed real machines, one of which did all it could to hide it. */
import { execFile } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { DiffDocument } from "../../src/commands/diff-document.ts";
import { sandbox } from "../run-hearth.ts";
import type { HearthEnd, Sandbox } from "../run-hearth.ts";

const workflow = String.raw`
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Change
        id: change
        run: |
          echo new > added.txt
          echo more >> changed.txt
          chmod 600 moded.txt
          ln -sfn other.txt link
          rm removed.txt
          mkdir many && touch many/{1..50}
          sudo sh -c 'echo "# more" >> /usr/share/doc/bash/copyright; rm /usr/share/doc/tar/copyright'
          sudo sh -c 'mv /usr/share/doc/sed /usr/share/doc/moved; chmod 700 /usr/share/doc/grep'
          echo new > /opt/hostedtoolcache/new.txt
          echo "FOO=bar" >> "$GITHUB_ENV"
          echo "HIDDEN=s3cr3t-value" >> "$GITHUB_ENV"
          echo "s3cr3t-value" > leaked.txt
          echo /opt/mine >> "$GITHUB_PATH"
          echo "result=42" >> "$GITHUB_OUTPUT"
      - name: Stay
        run: |
          setsid node -e 'require("net").createServer().listen(8123, () => require("fs").writeFileSync("/tmp/up", ""))' >/dev/null 2>&1 &
          until [ -e /tmp/up ]; do sleep 0.1; done
          curl -sS https://example.com || true
      - name: Hide
        run: |
          touch -r kept.txt /tmp/time
          printf 'evil' > kept.txt
          touch -r /tmp/time kept.txt
          sudo rm /usr/local/bin/node
          for name in find ps ls stat node sh bash; do
            printf '#!/bin/true\n' | sudo tee "/usr/local/bin/$name" > /dev/null
            sudo chmod 755 "/usr/local/bin/$name"
          done
          sudo touch -h -d 2020-01-01 /usr/local/bin/* /usr/local/bin /usr/local
          sudo touch -d 2020-01-01 .
          echo /usr/local/bin >> "$GITHUB_PATH"
      - name: Last
        run: 'true'
`;

async function kept(place: Sandbox): Promise<void> {
  const files = { "changed.txt": "one\n", "moded.txt": "", "removed.txt": "", "kept.txt": "good", "other.txt": "" };
  await mkdir(join(place.directory, "project/.github/workflows"), { recursive: true });
  const project = join(place.directory, "project");
  for (const [name, content] of Object.entries(files)) await writeFile(join(project, name), content);
  await symlink("kept.txt", join(project, "link"));
  await writeFile(join(project, ".github/workflows/ci.yml"), workflow);
  const git = async (...args: readonly string[]) => promisify(execFile)("git", args, { cwd: project });
  await git("init", "-q");
  await git("add", "-A");
  await git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "x");
  const secret = ["--secret", "TOKEN=s3cr3t-value"];
  const args = ["run", "--provider", "gvisor", "--checkpoint", "steps", ...secret];
  expect(await place.run(args, { cwd: project })).toMatchObject({ exitCode: 0 });
}

async function diffed(place: Sandbox, ...args: readonly string[]): Promise<DiffDocument> {
  const { exitCode, stdout, stderr } = await diff(place, ...args, "--json");
  expect(stderr).toBe("");
  expect(exitCode).toBe(0);
  expect(stdout).not.toContain("s3cr3t-value");
  return JSON.parse(stdout);
}

async function diff(place: Sandbox, ...args: readonly string[]): Promise<HearthEnd> {
  return place.run(["diff", "m", ...args], { cwd: join(place.directory, "project") });
}

/** `+ path`, `~ path content mode`, `- path`, of those that Hearth does not write itself. */
function shown({ files, workspace }: DiffDocument): readonly string[] {
  return files
    .filter(({ ofHearth }) => ofHearth !== true)
    .map(({ change, path, aspects = [] }) =>
      [{ added: "+", changed: "~", removed: "-" }[change], path.replace(`${workspace}/`, ""), ...aspects].join(" "),
    );
}

describe("hearth diff of gVisor machines", () => {
  it("tells what steps did, also what one of them hides", { timeout: 300_000 }, async () => {
    await using place = await sandbox();
    await kept(place);

    const changed = await diffed(place, "2", "--content");
    expect(shown(changed).filter((line) => !line.startsWith("+ many"))).toEqual([
      "+ added.txt",
      "~ changed.txt content",
      "+ leaked.txt",
      "~ link target",
      "~ moded.txt mode",
      "- removed.txt",
      "+ /opt/hostedtoolcache/new.txt",
      "~ /usr/share/doc/bash/copyright content",
      "~ /usr/share/doc/grep mode",
      ...["moved", "moved/copyright", "moved/examples"].map((path) => `+ /usr/share/doc/${path}`),
      ...["sed", "sed/copyright", "sed/examples"].map((path) => `- /usr/share/doc/${path}`),
      "- /usr/share/doc/tar/copyright",
    ]);
    expect(shown(changed).filter((line) => line.startsWith("+ many"))).toHaveLength(51);
    expect(changed.files.find(({ path }) => path.endsWith("/changed.txt"))?.diff).toContain(" one\n+more\n");
    expect(changed.files.find(({ path }) => path.endsWith("/leaked.txt"))?.diff).toContain("+***\n");
    expect(changed.env).toEqual([
      { name: "FOO", after: "bar" },
      { name: "HIDDEN", after: "***" },
    ]);
    expect(changed.path).toEqual({ added: ["/opt/mine"], removed: [] });
    expect(changed.outputs).toEqual([{ step: "change", name: "result", after: "42" }]);
    expect(changed.processes).toEqual({ left: [], gone: [] });

    const stayed = await diffed(place, "Stay");
    expect(stayed.processes.left).toMatchObject([{ user: "runner", command: expect.stringMatching(/^node -e /) }]);
    expect(stayed.ports).toMatchObject({ opened: [{ protocol: "tcp", port: 8123, process: { user: "runner" } }] });
    expect(stayed.network).toMatchObject([{ step: "3", host: "example.com", port: 443, allowed: false }]);
    expect(shown(stayed)).toEqual(["+ /tmp/up"]);

    const hidden = await diffed(place, "4");
    expect(shown(hidden)).toEqual([
      "~ kept.txt content",
      "+ /tmp/time",
      ...["bash", "find", "ls"].map((name) => `+ /usr/local/bin/${name}`),
      "~ /usr/local/bin/node type",
      ...["ps", "sh", "stat"].map((name) => `+ /usr/local/bin/${name}`),
    ]);
    expect(hidden.processes).toEqual({ left: [], gone: [] });

    // What came to be and went between the two is in neither.
    const all = await diffed(place, "2", "Last", "--path", "many");
    expect(all.steps.map(({ number }) => number)).toEqual([2, 3, 4]);
    expect(all.files).toHaveLength(50);
    expect(all.ports.opened).toHaveLength(1);

    const forPeople = await diff(place, "2");
    expect(forPeople.stdout).toContain("+ many/  50 files in it, 0 B");
    expect(forPeople.stdout).toContain("+ HIDDEN=***");
    const last = await diff(place, "5");
    expect(last.exitCode).toBe(2);
    expect(last.stderr).toContain("nothing is kept after the job's last step");

    const machines = await place.run(["machines", "list"]);
    expect(machines.stdout).not.toContain("diff-");
  });
});
