/** Shells and copies as a person has them: the command line in processes of its own, on the host provider, on a real terminal. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { leftovers } from "../leftovers.ts";
import { ROOT, sandbox } from "../run-hearth.ts";
import type { HearthEnd, RunningHearth, Sandbox } from "../run-hearth.ts";

const WAIT = { timeout: 90_000, interval: 50 };

const WORKFLOW = `
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    env: { STAGE: early }
    steps:
      - run: |
          mkdir -p bin
          printf '#!/bin/sh\\necho found\\n' > bin/my-tool
          chmod +x bin/my-tool
          echo "$PWD/bin" >> "$GITHUB_PATH"
          echo "STAGE=late" >> "$GITHUB_ENV"
      - run: while [ ! -e go ]; do sleep 0.1; done; cat from-outside
`;

async function project({ directory }: Sandbox): Promise<string> {
  await mkdir(join(directory, "p", ".github", "workflows"), { recursive: true });
  await writeFile(join(directory, "p", ".github", "workflows", "w.yml"), WORKFLOW);
  return join(directory, "p");
}

/** A command line with this input, or on a terminal of 111 by 33 that somebody types on when it shows what they wait for. */
function typed(box: Sandbox, args: readonly string[], keys: readonly (readonly [RegExp, string])[] | string) {
  const env = {
    ...process.env,
    NO_COLOR: "1",
    HEARTH_STATE: join(box.directory, "state"),
    TMPDIR: box.temporary,
    PS1: "",
  };
  const words = [process.execPath, join(ROOT, "src", "main.ts"), ...args];
  const line = `stty rows 33 cols 111; ${words.map((word) => `'${word}'`).join(" ")}; echo code $?; stty -a`;
  const child =
    typeof keys === "string"
      ? spawn(words[0] ?? "", words.slice(1), { cwd: box.directory, env })
      : spawn("script", ["-qec", line, "/dev/null"], { cwd: box.directory, env: { ...env, SHELL: "/bin/sh" } });
  let said = "";
  let from = 0;
  const waiting = typeof keys === "string" ? [] : [...keys];
  if (typeof keys === "string") child.stdin.end(keys);
  const listen = (bytes: Buffer): void => {
    said += bytes.toString();
    const next = waiting[0];
    const found = next?.[0].exec(said.slice(from));
    if (next === undefined || found === null || found === undefined) return;
    from += found.index + found[0].length;
    waiting.shift();
    child.stdin.write(next[1]);
  };
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  return {
    pid: child.pid ?? 0,
    ended: new Promise<{ code: number | null; said: string }>((resolve) =>
      child.once("close", (code) => resolve({ code, said })),
    ),
  };
}

interface GoingOn {
  readonly running: RunningHearth;
  readonly run: string;
  /** `hearth shell RUN --exec`. */
  readonly exec: (command: string) => Promise<HearthEnd>;
}

/** A run that waits in its second step for a file `go` in the workspace. */
async function goingOn(box: Sandbox): Promise<GoingOn> {
  const running = box.start(["run", "--provider", "host"], { cwd: await project(box) });
  const runs = join(box.directory, "state", "runs");
  await expect.poll(() => readdir(runs).catch(() => []), WAIT).toHaveLength(1);
  const [run = ""] = await readdir(runs);
  const exec = (command: string): Promise<HearthEnd> => box.run(["shell", run, "--exec", command]);
  await expect.poll(async () => (await exec("echo $STAGE")).stdout, WAIT).toBe("late\n");
  return { running, run, exec };
}

describe("hearth shell in a machine of its own", () => {
  it("gives a person on a terminal a shell there, and their terminal back", async () => {
    await using box = await sandbox();
    const { ended } = typed(
      box,
      ["shell", "--provider", "host"],
      [
        [/not masked/, "PS1=; stty size; echo at $PWD\r"],
        [/33 111\r\n/, "echo asleep; sleep 1000\r"],
        [/asleep\r\n/, "\x03"],
        // The prompt: what is typed before it may go the way of all that was typed before Ctrl-C.
        [/\^C.*\?2004h/s, "echo then $?; exit 9\r"],
      ],
    );
    const { said } = await ended;
    expect(said).toContain("then 130\r\n");
    expect(said).toMatch(/at \S+\/work\/shell\/shell\r\n/);
    expect(said).toContain("code 9\r\n");
    // What the machine's terminal has made of a line's end is left as it is, and afterwards the person's own does so again.
    expect(said).not.toContain("\r\r\n");
    expect(said.slice(said.lastIndexOf("code 9"))).toMatch(/\sopost .* icanon .* echo /s);
    expect(await leftovers(box)).toEqual([]);
  });

  it("takes standard input that is no terminal as a script", async () => {
    await using box = await sandbox();
    const script = 'echo one\nread line\nnot a command\necho "read: $line"\nexit 6\n';
    const end = await typed(box, ["shell", "--provider", "host"], script).ended;
    expect(end.code).toBe(6);
    expect(end.said).toContain("one\nread: not a command\n");
    expect(await leftovers(box)).toEqual([]);
  });

  it("runs one command with both its streams, and ends as it did", async () => {
    await using box = await sandbox();
    const end = await box.run(["shell", "--provider", "host", "--exec", "echo out; echo err >&2; kill -TERM $$"]);
    expect(end).toMatchObject({ exitCode: 143, stdout: "out\n", stderr: expect.stringMatching(/err\n$/) });
    const refused = await box.run(["shell", "no-such-image-or-run"]);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("hearth image list") });
  });

  it("ends a command that takes no notice of Ctrl-C at the second one, and its machine with it", async () => {
    await using box = await sandbox();
    const running = box.start(["shell", "--provider", "host", "--exec", "trap '' INT; echo up; sleep 1000"]);
    await new Promise((resolve) => running.stdout.once("data", resolve));
    // The first is passed on as Ctrl-C, which the command takes no notice of; a later one kills it.
    const telling = setInterval(() => running.kill("SIGTERM"), 300);
    expect((await running.ended).exitCode).toBe(137);
    clearInterval(telling);
    expect(await leftovers(box)).toEqual([]);
  });
});

describe("hearth shell in a run that is going on", () => {
  it("stands where the next step will, and leaves the run as it was", async () => {
    await using box = await sandbox();
    const { running, run, exec } = await goingOn(box);
    expect(await exec("my-tool; basename $PWD; echo $GITHUB_JOB; test -d bin; exit 5")).toMatchObject({
      exitCode: 5,
      stdout: "found\np\nbuild\n",
    });
    const { ended } = typed(
      box,
      ["shell", run, "--job", "build"],
      [[/not masked/, "PS1=; echo hello > from-outside; touch go; exit\r"]],
    );
    expect((await ended).said).toContain("code 0\r\n");
    expect(await running.ended).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("hello") });
    expect(existsSync(join(box.directory, "state", "runs", run, "door.sock"))).toBe(false);
    expect(await exec("true")).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(`hearth rewind ${run}`) });
    expect(await leftovers(box)).toEqual([]);
  });

  it("ends with the run, and so does what was started in it", async () => {
    await using box = await sandbox();
    const { running, run } = await goingOn(box);
    const inside = box.start(["shell", run, "--exec", "echo up; sleep 1000 & sleep 1000"]);
    await new Promise((resolve) => inside.stdout.once("data", resolve));
    await box.run(["shell", run, "--exec", "echo hello > from-outside; touch go"]);
    expect((await running.ended).exitCode).toBe(0);
    expect((await inside.ended).exitCode).not.toBe(0);
    expect(await leftovers(box)).toEqual([]);
  });

  it("tells that nobody answers for a run whose process was killed", async () => {
    await using box = await sandbox();
    const { running, exec } = await goingOn(box);
    running.kill("SIGKILL");
    await running.ended;
    const end = await exec("true");
    expect(end).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/has ended/) });
    await box.run(["machines", "reap"]);
  });
});

describe("hearth cp", () => {
  it("copies files and directories out of a run and into it, and replaces nothing unless it is told to", async () => {
    await using box = await sandbox();
    const { running, run, exec } = await goingOn(box);
    const at = (name: string): string => join(box.directory, name);
    await exec("mkdir -p out/deep; echo a > out/a; echo b > out/deep/b; ln -s a out/link; chmod 755 out/deep/b");
    expect(await box.run(["cp", `${run}:out`, "copied"])).toMatchObject({ exitCode: 0, stderr: `${at("copied")}\n` });
    expect(await readFile(at("copied/deep/b"), "utf8")).toBe("b\n");
    expect(await readFile(at("copied/link"), "utf8")).toBe("a\n");
    expect((await box.run(["cp", `${run}:out/a`, "copied/deep"])).exitCode).toBe(0);
    expect(await readFile(at("copied/deep/a"), "utf8")).toBe("a\n");
    const again = await box.run(["cp", `${run}:out/a`, "copied/deep"]);
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--force") });
    expect((await box.run(["cp", "--force", `${run}:out/deep/b`, "copied/deep/a"])).exitCode).toBe(0);
    expect(await readFile(at("copied/deep/a"), "utf8")).toBe("b\n");

    await writeFile(at("hello"), "hello\n");
    expect((await box.run(["cp", "hello", `${run}:from-outside`])).exitCode).toBe(0);
    expect((await box.run(["cp", "copied", `${run}:new/`])).exitCode).toBe(0);
    expect((await box.run(["cp", "copied", `${run}:bin`])).exitCode).toBe(0);
    expect((await exec("cat new/copied/deep/b bin/copied/a; ls -A; ls -A new")).stdout).toBe(
      "b\na\nbin\nfrom-outside\nnew\nout\ncopied\n",
    );
    expect(await box.run(["cp", "hello", `${run}:from-outside`])).toMatchObject({ exitCode: 2 });

    expect(await box.run(["cp", `${run}:nothing`, "x"])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("There is no"),
    });
    await exec("ln -s /etc/passwd out/outside");
    const refused = await box.run(["cp", `${run}:out`, "refused"]);
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("outside") });
    expect((await readdir(box.directory)).toSorted()).toEqual(["copied", "hello", "p", "state", "tmp"]);
    // A link in the way is itself what is there.
    await symlink("/etc/hostname", at("away"));
    expect((await box.run(["cp", `${run}:out/a`, "away"])).exitCode).toBe(2);
    expect((await box.run(["cp", "--force", `${run}:out/a`, "away"])).exitCode).toBe(0);
    expect(await readFile(at("away"), "utf8")).toBe("a\n");
    await exec("touch go");
    expect((await running.ended).exitCode).toBe(0);
    expect(await leftovers(box)).toEqual([]);
  });
});
