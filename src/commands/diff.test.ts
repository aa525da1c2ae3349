import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { ExecRequest } from "../protocol/agent-api.ts";
import type { RunEventBody } from "../store/run-event.ts";
import { run as runCommand } from "./fake-command-line.ts";
import type { Ended } from "./fake-command-line.ts";
import { aRun, at, noCounts } from "./fake-hearth.ts";
import { pastCheckpoint, pastMachine, savedJob, secret, workspace } from "./past-machine.fixture.ts";
import type { Past } from "./past-machine.fixture.ts";

/** By the step that comes next. */
interface Pasts {
  readonly [step: number]: Past;
}

const egress: RunEventBody = {
  type: "egress",
  job: "build",
  step: "2",
  host: "example.com",
  port: 443,
  allowed: true,
  times: 2,
};

/** A kept run of four steps, and checkpoints before some of them. */
async function diff(argv: readonly string[], pasts: Pasts): Promise<Ended & { readonly live: () => number }> {
  let live = 0;
  const events = [...aRun(["Check out", "Make", "Test", "Pack"].map((name) => ({ name }))), egress];
  const ending = {
    type: "run_completed" as const,
    at,
    conclusion: "success" as const,
    error: undefined,
    counts: noCounts,
    durationMs: 1,
  };
  const stored = [
    {
      run: "run1",
      runNumber: 1,
      repository: "/repo",
      workflow: ".github/workflows/ci.yml",
      event: "push",
      startedAt: at,
      title: undefined,
      attempt: 1,
      state: { status: "completed" as const, ending },
      events: events.map((event) => ({ at, ...event })),
    },
  ];
  const end = await runCommand(["diff", ...argv], {
    stored,
    checkpoints: Object.keys(pasts).map((step) => pastCheckpoint(Number(step))),
    opened: (step) => ({ engine: savedJob(step, pasts[step] ?? {}), directory: `/checkpoint/${step}` }),
    restored: ({ saved }) => {
      live += 1;
      const past = pasts[Number(saved?.directory.split("/").at(-1))] ?? {};
      return { machine: pastMachine(past), [Symbol.asyncDispose]: async () => void (live -= 1) };
    },
  });
  return { ...end, live: () => live };
}

const before = { files: { [`${workspace}/a`]: { text: "good" }, [`${workspace}/gone`]: {}, "/work/_temp/x": {} } };

describe("hearth diff", () => {
  it("tells what a step changed, in the order of what it is, and leaves no machine", async () => {
    const { code, stdout, stderr, hearth, live, flags } = await diff(["run1", "2"], {
      2: before,
      3: {
        files: {
          [`${workspace}/a`]: { text: "evil", ctimeMs: 2 },
          "/etc/ünï": { text: "x" },
          "/work/_temp/_runner_file_commands/set_env": {},
          "/work/_temp/x": { ctimeMs: 2, mode: 0o100600 },
        },
        lines: [
          ["p", 7, 1, 5, 1001, "runner", "node", "node\0server.js"],
          ["l", "tcp", "00000000:1FBB", 1001, 7],
        ],
        state(state) {
          state.env["NEW"] = "two\nlines";
          state.env["TOKEN"] = secret;
          delete state.env["OLD"];
          state.path.unshift("/opt/mine");
          state.scope.steps["make"] = { outputs: { size: "3" }, outcome: "success", conclusion: "success" };
        },
      },
    });
    expect(stderr).toBe("Looks into job build before step 2 and before step 3\n");
    expect(stdout.split("\n")).toEqual([
      "Run run1, job build, from before step 2 to before step 3",
      "Step 2 Make",
      "",
      "Files: 1 added, 2 changed, 1 removed; 1 that Hearth writes itself left out (--all)",
      "  + /etc/ünï  1 B, mode 0644",
      "  ~ a  content, 4 B as before",
      "  - gone  0 B",
      "  ~ /work/_temp/x  mode 0644 -> 0600",
      "",
      "Environment: 4",
      "  + NEW=two⏎lines",
      "  - OLD",
      "  + TOKEN=***",
      "  + PATH /opt/mine",
      "",
      "Outputs: 1",
      "  + make.size=3",
      "",
      "Processes: 1",
      "  + 7 runner  node server.js",
      "",
      "Listening ports: 1",
      "  + tcp 0.0.0.0:8123  7 runner  node server.js",
      "",
      "Network: 1",
      "  step 2: example.com:443  allowed, 2 times",
      "",
    ]);
    expect(code).toBe(0);
    expect(flags?.network).toBe("closed");
    expect(live()).toBe(0);
    expect(hearth.calls).toEqual(expect.arrayContaining(["close checkpoint 2", "close checkpoint 3"]));
    expect(hearth.expectations).toEqual(["closed"]);
  });

  it("prints one document with --json, with the contents where they are asked for, and hides what is secret in all of it", async () => {
    const text = `one\n${secret}\n`;
    const files = { [`${workspace}/a`]: { text }, [`/tmp/${secret}`]: {}, "/tmp/binary": { text: "\0" } };
    const { code, stdout, stderr } = await diff(["run1", "2", "--json", "--content"], {
      2: before,
      3: { files, lines: [["p", 7, 1, 5, 0, "root", "x", `curl\0-H\0${secret}`]] },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).not.toContain(secret);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ run: "run1", job: "build", from: 2, to: 3, steps: [{ number: 2, name: "Make" }] });
    expect(document.processes.left).toEqual([{ pid: 7, user: "root", uid: 0, command: "curl -H ***" }]);
    const [first, ...others] = document.files;
    expect(first).toMatchObject({ path: `${workspace}/a`, change: "changed", aspects: ["content"] });
    expect(first.diff).toContain("-good\n\\ No newline at end of file\n+one\n+***\n");
    expect(others.map(({ path, diff: patch }: { path: string; diff?: string }) => [path, patch !== undefined])).toEqual(
      [
        [`${workspace}/gone`, true],
        ["/tmp/binary", false],
        ["/tmp/***", true],
        ["/work/_temp/x", true],
      ],
    );
  });

  it("cuts long lists, and shows a new directory with much in it as one line, unless all is asked for", async () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`${workspace}/f${index + 10}`, {}]));
    const inside = Object.fromEntries(
      Array.from({ length: 5 }, (_, index) => [`${workspace}/d/${index}`, { text: "x" }]),
    );
    const pasts = { 2: {}, 3: { files: { ...many, [`${workspace}/d`]: { mode: 0o040755 }, ...inside } } };
    const { stdout } = await diff(["run1", "2"], pasts);
    expect(stdout).toContain("Files: 36 added\n  + d/  5 files in it, 5 B, mode 0755\n  + f10 ");
    expect(stdout).toContain("  + f28  0 B, mode 0644\n  and 11 more (--all)\n");
    const { stdout: all } = await diff(["run1", "2", "--all"], pasts);
    expect(all).toContain("+ d/4  1 B");
    expect(all).not.toContain("more (--all)");
  });

  it("goes as far as the nearest later checkpoint, and from the nearest earlier one, and says so", async () => {
    const { stdout } = await diff(["run1", "Make"], { 1: {}, 4: {} });
    expect(stdout).toContain("from before step 1 to before step 4\nSteps 1 Check out, 2 Make, 3 Test\n");
    expect(stdout).toContain("! Nothing is kept before step 2: from before step 1\n");
    expect(stdout).toContain("! Nothing is kept before step 3: up to before step 4\n");
  });

  it("compares two steps in whatever order they are named", async () => {
    const pasts = { 1: {}, 3: { files: { "/new": {} } } };
    const { stdout } = await diff(["run1", "3", "Check out"], pasts);
    expect(stdout).toContain("from before step 1 to before step 3");
    expect(stdout).toContain("+ /new");
  });

  it.each([
    ["4", { 3: {}, 4: {} }, "nothing is kept after the job's last step"],
    ["2", { 1: {}, 2: {} }, "nothing is kept before step 3"],
    ["2", {}, "Run it with --checkpoint steps"],
    ["9", { 1: {}, 2: {} }, "has no step '9'"],
  ])("says what is not there for step %s", async (step, pasts, message) => {
    const { code, stderr, live } = await diff(["run1", step], pasts);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(live()).toBe(0);
  });

  it("refuses one step twice, and a path out of the machine", async () => {
    expect((await diff(["run1", "2", "2"], { 2: {}, 3: {} })).stderr).toContain("nothing lies between");
    expect((await diff(["run1", "2", "--path", "../x"], { 2: {}, 3: {} })).stderr).toContain("holds '..'");
  });

  it.each([
    ["no gzip", { code: 0, stdout: Buffer.from("x".repeat(1000)) }],
    ["nothing", { code: 0, stdout: Buffer.alloc(0) }],
    ["half an answer", { code: 0, stdout: gzipSync('["d","/"]\n') }],
    ["a failure", { code: 1, stdout: Buffer.alloc(0) }],
  ])("ends with machine trouble where a machine answers %s, and leaves none", async (_, answer) => {
    const { code, stderr, live } = await diff(["run1", "2"], { 2: {}, 3: { answer: () => answer } });
    expect(code).toBe(5);
    expect(stderr).toMatch(/Cannot (?:read what the machine says|look at the machine's files)/);
    expect(live()).toBe(0);
  });

  it("tells both machines to enter what one of them did not pass over", async () => {
    const asked: { roots: string[]; skip: string[] }[] = [];
    const looks = (own: readonly unknown[]) => (request: ExecRequest) => {
      const wish = JSON.parse(request.argv.slice(request.argv.indexOf("--") + 1).join(""));
      asked.push(wish);
      const said = wish.roots.includes("/")
        ? own
        : [
            ["d", "/usr"],
            ["f", "lib", 0o040755, 0, 0, 0, 1, 1],
          ];
      return {
        code: 0,
        stdout: gzipSync([...said, ["end", 1, false]].map((line) => JSON.stringify(line)).join("\n") + "\n"),
      };
    };
    const usr = ["f", "usr", 0o040755, 0, 0, 0, 1, 1];
    const { stdout } = await diff(["run1", "2", "--json"], {
      2: { answer: looks([["d", "/"], usr, ["s", "/usr"]]) },
      3: {
        answer: looks([
          ["d", "/"],
          usr,
          ["d", "/usr"],
          ["f", "lib", 0o040755, 0, 0, 0, 1, 1],
          ["s", "/usr/lib"],
          ["f", "new", 0o100644, 0, 0, 0, 1, 1],
        ]),
      },
    });
    expect(JSON.parse(stdout).files.map(({ path }: { path: string }) => path)).toEqual(["/usr/new"]);
    const further = asked.filter(({ roots }) => !roots.includes("/"));
    expect(further.map(({ roots }) => roots)).toEqual([["/usr"]]);
    expect(further[0]?.skip).toContain("/usr/lib");
  });

  it.each([2, 3])("says that the machine before step %i makes its programs load a library", async (step) => {
    const { stdout } = await diff(["run1", "2"], { 2: {}, 3: {}, [step]: { isPreloaded: true } });
    expect(stdout).toContain("! The machine makes every program load a library (/etc/ld.so.preload)");
    expect((await diff(["run1", "2"], { 2: {}, 3: {} })).stdout).not.toContain("!");
  });
});
