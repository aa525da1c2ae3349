import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { EnteredJob } from "../door/enter-run.ts";
import type { ExecRequest } from "../protocol/agent-api.ts";
import type { AgentClient } from "../protocol/agent-client.ts";
import { inProcessAgent, offerAgent } from "../protocol/in-process-agent.ts";
import { fakeAgent } from "../provider/fake/fake-agent.ts";
import type { FakeExec } from "../provider/fake/fake-agent.ts";
import type { StoredRun } from "../store/run-store.ts";
import { copyIn, copyOut } from "./copy-files.ts";
import { run, start } from "./fake-command-line.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runExec, runShell } from "./shell-session.ts";

const directory = mkdtempSync(join(tmpdir(), "hearth-copy-test-"));
afterAll(() => rmSync(directory, { recursive: true }));
const WAIT = { timeout: 10_000, interval: 5 };
const place = { env: { RUNNER_TEMP: "/temp", A: "b" }, cwd: "/work", user: "runner" } as const;

interface FakeInside {
  readonly agent: AgentClient;
  readonly execs: ExecRequest[];
  readonly files: Map<string, Buffer>;
}

function inside(answer: (request: ExecRequest) => FakeExec | undefined = () => undefined): FakeInside {
  const execs: ExecRequest[] = [];
  const files = new Map<string, Buffer>();
  const stream = offerAgent(
    fakeAgent({
      bootId: "b",
      home: "/home/runner",
      files,
      beforeReset: () => undefined,
      vitals: () => ({ oomKills: 0, freeBytes: 1, freeInodes: 1, memoryAvailableBytes: 1 }),
      input: () => Buffer.alloc(0),
      answer(request) {
        execs.push(request);
        return answer(request);
      },
    }),
  );
  const agent = inProcessAgent(stream);
  if (agent === undefined) throw new Error("no agent");
  return { agent, execs, files };
}

function stored(status: "in_progress" | "lost"): StoredRun & { events: [] } {
  const state = status === "lost" ? ({ status, cause: "killed" } as const) : { status };
  const what = { repository: "/r", workflow: "w.yml", event: "push", title: undefined, attempt: 1, events: [] as [] };
  return { run: "mh3k2abc", runNumber: 1, startedAt: "2026-11-22T10:00:00.000Z", ...what, state };
}

function entered({ agent }: FakeInside): EnteredJob {
  return {
    agent,
    job: "test",
    machine: "m",
    isolation: "none (fake)",
    cwd: "/work",
    [Symbol.asyncDispose]: async () => {},
  };
}

describe("a shell on a person's terminal", () => {
  it("gives the machine the keys and sizes, the person the output, and ends as the shell did", async () => {
    const terminal = fakeTerminal({ keyboard: true, environment: { TERM: "xterm-kitty" } });
    const ended = runShell(inside().agent, terminal, place);
    await expect.poll(() => terminal.stdout(), WAIT).toContain("runner bash -i in /work");
    terminal.resize(132, 50);
    await terminal.press("size\renv TERM\renv A\r");
    await expect.poll(() => terminal.stdout(), WAIT).toContain("132x50\r\nTERM=xterm-kitty\r\nA=b\r\n");
    expect(terminal.listeners()).toBeGreaterThan(0);
    await terminal.press("exit 12\r");
    expect(await ended).toBe(12);
    expect(terminal.listeners()).toBe(0);
  });

  it("gives the terminal back when the machine is lost, or the process is told to end", async () => {
    for (const how of ["lost", "interrupted"] as const) {
      const terminal = fakeTerminal({ keyboard: true });
      const { agent } = inside();
      const ended = runShell(agent, terminal, place).catch((error: unknown) => error);
      await expect.poll(() => terminal.stdout(), WAIT).toContain("bash -i");
      if (how === "lost") await agent[Symbol.asyncDispose]();
      else terminal.interrupt();
      expect(await ended).toMatchObject(how === "lost" ? { code: "MACHINE_LOST" } : { name: "Cancelled" });
      expect(terminal.listeners()).toBe(0);
    }
  });

  it("is a script where standard input is no terminal", async () => {
    const terminal = fakeTerminal({ input: "ls\nexit 4\n" });
    const { agent, execs } = inside(() => ({ code: 4, output: [["stdout", "listed"]] }));
    expect(await runShell(agent, terminal, place)).toBe(4);
    const [{ write, argv } = { write: [], argv: [] }] = execs;
    expect(write).toMatchObject([{ content: "ls\nexit 4\n", mode: 0o600, path: expect.stringMatching(/^\/temp\//) }]);
    expect(argv.at(-1)).toBe(write[0]?.path);
    expect(terminal.stdout()).toBe("listed");
  });
});

describe("a command in a machine", () => {
  it("has both its streams, and its exit code or its signal's", async () => {
    const terminal = fakeTerminal();
    const both: FakeExec = {
      code: 3,
      output: [
        ["stdout", "out"],
        ["stderr", "err"],
      ],
    };
    expect(await runExec(inside(() => both).agent, terminal, { ...place, command: "x" })).toBe(3);
    expect([terminal.stdout(), terminal.stderr()]).toEqual(["out", "err"]);
    const killed = inside(() => ({ signal: "SIGTERM" }));
    expect(await runExec(killed.agent, terminal, { ...place, command: "x" })).toBe(143);
    const none = inside(() => ({ failure: "No such program: bash" }));
    await expect(runExec(none.agent, terminal, { ...place, command: "x" })).rejects.toThrow(/No such program/);
  });

  it("gets Ctrl-C, and is killed by a second one", async () => {
    const terminal = fakeTerminal();
    const signals: string[] = [];
    const { agent, execs } = inside(() => ({
      untilSignal: (signal) => {
        signals.push(signal);
        return signal === "SIGKILL" ? { signal } : undefined;
      },
    }));
    const ended = runExec(agent, terminal, { ...place, command: "x" });
    await expect.poll(() => execs.length, WAIT).toBe(1);
    terminal.interrupt();
    await expect.poll(() => signals, WAIT).toEqual(["SIGINT"]);
    terminal.interrupt();
    expect(await ended).toBe(137);
    expect(terminal.listeners()).toBe(0);
  });
});

describe("hearth shell", () => {
  it("enters a run that is going on, and exits as its command did", async () => {
    const machine = inside(() => ({ code: 77 }));
    const options = { stored: [stored("in_progress")], inside: () => entered(machine) };
    const { code, hearth } = await run(["shell", "mh3k2", "--job", "test", "--exec", "make"], options);
    expect(code).toBe(77);
    expect(hearth.calls).toContain("enter mh3k2abc test");
    expect(machine.execs).toMatchObject([
      { argv: ["bash", "-c", "make"], cwd: "/work", env: { HOME: "/home/runner" } },
    ]);
  });

  it("is a shell on the terminal, which says that nothing is masked", async () => {
    const options = { keyboard: true, stored: [stored("in_progress")], inside: () => entered(inside()) };
    const { code, terminal } = start(["shell", "mh3k2"], options);
    await expect.poll(() => terminal.stdout(), WAIT).toContain("bash -i");
    await terminal.press("exit 30\r");
    expect(await code).toBe(30);
    expect(terminal.stderr()).toContain("not masked");
  });

  it.each([
    [["shell", "mh3k2"], [stored("lost")], 2, /has ended.*hearth rewind mh3k2abc/s],
    [["cp", "mh3k2:a", "b"], [stored("lost")], 2, /has ended.*hearth rewind mh3k2abc/s],
    [["shell", "mh3k2"], [stored("in_progress")], 2, /Nobody answers/],
    [["shell", "nothing"], [stored("in_progress")], 2, /no image or run nothing.*hearth image list/s],
    [["shell", "mh3k2", "--provider", "qemu"], [stored("in_progress")], 2, /machine of one's own/],
    [["shell", "--job", "x"], [], 2, /--job is for a run/],
    [["cp", "a", "b"], [], 2, /RUN:PATH/],
    [["cp", "r:a", "s:b"], [], 2, /RUN:PATH/],
  ])("hearth %j says what to do instead", async (argv, runs, code, said) => {
    const ended = await run(argv, { stored: runs });
    expect(ended).toMatchObject({ code, stderr: expect.stringMatching(said) });
  });
});

/** A machine that says this to everything. */
const saying = (kind: string): FakeInside => inside(() => ({ output: [["stdout", kind]] }));

describe("copying with a machine that lies", () => {
  const wish = { inside: "out", cwd: "/work", force: false };

  it("writes nothing outside its target", async () => {
    const before = readdirSync(directory);
    for (const name of ["../escaped", "/tmp/hearth-escaped", "a/../../escaped"]) {
      const { agent, files } = saying("directory\n");
      files.set(`/work/out/${name}`, Buffer.from("x"));
      await expect(copyOut(agent, { ...wish, local: join(directory, "t") })).rejects.toMatchObject({
        code: "ARCHIVE_REFUSED",
      });
      expect(readdirSync(directory)).toEqual(before);
    }
  });

  it("keeps what is there when a copy over it is refused or fails", async () => {
    const target = join(directory, "kept");
    writeFileSync(target, "precious");
    await expect(copyOut(saying("file\n").agent, { ...wish, local: target })).rejects.toMatchObject({
      code: "BAD_USAGE",
    });
    const broken = inside(({ argv }) => (argv[0] === "cat" ? { code: 1, output: [["stderr", "gone"]] } : undefined));
    await expect(copyOut(broken.agent, { ...wish, local: target, force: true })).rejects.toThrow(/Cannot read .*gone/);
    expect(readFileSync(target, "utf8")).toBe("precious");
    expect(readdirSync(directory)).toEqual(["kept"]);
  });

  it.each([
    ["what is neither file nor directory", saying("other\n"), join(directory, "t"), /neither/],
    ["what is not there", saying("missing\n"), join(directory, "t"), /There is no \/work\/out/],
    ["into a directory that is not there", saying("file\n"), join(directory, "none", "t"), /Cannot write in/],
    [
      "into a directory that is named as one and is not there",
      saying("file\n"),
      `${directory}/none/`,
      /Cannot write in/,
    ],
  ])("copies nothing of %s", async (_what, { agent }, local, said) => {
    await expect(copyOut(agent, { ...wish, local })).rejects.toMatchObject({ message: expect.stringMatching(said) });
  });

  it.each([
    ["that is not there", join(directory, "none"), {}, /Cannot read/],
    ["over the machine's root", directory, { inside: ".", cwd: "/" }, /Cannot replace \//],
    ["over what is there", directory, {}, /is there already/],
  ])("copies nothing in %s", async (_what, local, changes, said) => {
    const { agent, files } = saying("other\n");
    await expect(copyIn(agent, { ...wish, ...changes, local })).rejects.toThrow(said);
    expect(files.size).toBe(0);
  });
});
