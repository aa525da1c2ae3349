/**
 * Going back to a step, by the command line, on any provider that can save machines: what steps left in memory, in processes and in
 * files is there again, what ran is not run again, and what the workflow says now is what runs.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { leftovers } from "../leftovers.ts";
import { sandbox } from "../run-hearth.ts";
import type { HearthEnd, RunningHearth, Sandbox } from "../run-hearth.ts";

/** Keeps a number in memory, adds to it at each request, and holds a file open that it writes a line to. */
const DATABASE = `
import http.server
state = {"rows": 41}
log = open("/tmp/database.log", "a")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        state["rows"] += 1
        log.write(f"{state['rows']}\\n"); log.flush()
        self.send_response(200); self.end_headers(); self.wfile.write(str(state["rows"]).encode())
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", 5432), Answer).serve_forever()`;

const WORKFLOW = `
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    outputs: { built: "\${{ steps.build.outputs.id }}" }
    steps:
      - uses: actions/checkout@v4
      - name: Start a database
        run: |
          setsid python3 database.py > /dev/null 2>&1 < /dev/null &
          for try in $(seq 100); do curl -sf http://127.0.0.1:5432/ && break; sleep 0.1; done
      - id: build
        run: |
          echo "id=build-$(cat /proc/sys/kernel/random/uuid)" >> "$GITHUB_OUTPUT"
          echo "FLAVOUR=vanilla" >> "$GITHUB_ENV"
          echo "::add-mask::swordfish"
          echo "greeting='hello there'" > vars.sh
          echo "built once" | tee -a built
      - name: Count
        run: (n=0; while sleep 0.05; do n=$((n + 1)); echo $n > /tmp/count.new; mv /tmp/count.new /tmp/count; done) > /dev/null 2>&1 &
      - name: Test
        run: |
          . ./vars.sh
          echo "rows $(curl -sf http://127.0.0.1:5432/), $FLAVOUR, $greeting, swordfish, \${{ steps.build.outputs.id }}"
          before=$(cat /tmp/count); sleep 1; [ "$(cat /tmp/count)" -gt "$before" ] && echo still counting
          cat answer
          grep -q right answer
      - run: echo "the end"
  deploy:
    needs: test
    runs-on: ubuntu-latest
    steps: [{ run: 'echo "deploy \${{ needs.test.outputs.built }}"' }]
`;
const FILE = ".github/workflows/ci.yml";

interface Project extends AsyncDisposable {
  readonly box: Sandbox;
  readonly directory: string;
  hearth(...args: readonly string[]): Promise<HearthEnd>;
  edit(change: (text: string) => string): Promise<void>;
  /** The files as they were at first. */
  reset(): Promise<void>;
}

async function newProject(): Promise<Project> {
  const box = await sandbox();
  const directory = join(box.directory, "project");
  const git = (...args: readonly string[]) =>
    promisify(execFile)("git", ["-c", "user.name=t", "-c", "user.email=t@localhost", ...args], { cwd: directory });
  await mkdir(join(directory, ".github/workflows"), { recursive: true });
  await writeFile(join(directory, FILE), WORKFLOW);
  await writeFile(join(directory, "database.py"), DATABASE);
  await writeFile(join(directory, "answer"), "wrong\n");
  await git("init", "-q");
  await git("add", "-A");
  await git("commit", "-qm", "first");
  return {
    box,
    directory,
    hearth: (...args) => box.run(args, { cwd: directory }),
    edit: async (change) => writeFile(join(directory, FILE), change(await readFile(join(directory, FILE), "utf8"))),
    reset: async () => void (await git("checkout", "-q", ".")),
    [Symbol.asyncDispose]: () => box[Symbol.asyncDispose](),
  };
}

export function timeTravelSuite(provider: "gvisor" | "qemu", { all }: { readonly all: boolean }): void {
  describe(`time travel in ${provider}`, () => {
    let given: Project;
    let first: HearthEnd;
    let run: string;

    beforeAll(async () => {
      given = await newProject();
      first = await given.hearth("run", "--provider", provider, "--checkpoint", "steps");
      run = runsOf(await given.hearth("runs", "--json"))[0]?.run ?? "";
    });
    beforeEach(() => given.reset());
    afterEach(async () => expect(await leftovers(given.box)).toEqual([]));
    afterAll(() => given[Symbol.asyncDispose]());

    it("goes back to a failed step, looks, fixes it, and goes on", async () => {
      expectEnd(first, 1);
      expect(first.stdout).toContain("rows 43, vanilla, hello there, ***, build-");
      const id = /build-[0-9a-f-]{36}/.exec(first.stdout)?.[0] ?? "";

      const look = await given.hearth(
        "rewind",
        "--to",
        "Test",
        "--exec",
        "curl -sf http://127.0.0.1:5432/; cat answer; exit 7",
      );
      expect(look).toMatchObject({ exitCode: 7, stdout: "43wrong\n" });
      const again = await given.hearth(
        "rewind",
        "--to",
        "5",
        "--exec",
        "tail -n1 /tmp/database.log; cat built; echo $FLAVOUR",
      );
      expect(again).toMatchObject({ exitCode: 0, stdout: "42\nbuilt once\nvanilla\n" });

      await given.edit((text) => text.replace("grep -q right answer", "grep -q wrong answer"));
      const retried = await given.hearth("retry", run);
      expectEnd(retried, 0);
      expect(retried.stdout).toContain(`rows 43, vanilla, hello there, ***, ${id}`);
      expect(retried.stdout).toContain("still counting");
      expect(retried.stdout).toContain(`deploy ${id}`);
      expect(retried.stdout).not.toContain("built once");
      expect(retried.stdout).toMatch(/ci\.yml {2}success {2}3\/7 steps \(4 skipped\)/);
    });

    if (!all) return;

    it("names a change to a step that has run, and refuses it unless it is to stay as it ran", async () => {
      await given.edit((text) =>
        text.replace("FLAVOUR=vanilla", "FLAVOUR=lemon").replace("grep -q right", "grep -q wrong"),
      );
      const refused = await given.hearth("retry", run);
      expect(refused.exitCode).toBe(2);
      expect(refused.stderr).toContain("Cannot go on from step 5: changed since it ran: step 3");
      const stale = await given.hearth("retry", run, "--stale");
      expectEnd(stale, 0);
      expect(stale.stdout).toContain("vanilla");
      const earlier = await given.hearth("retry", run, "--from", "build");
      expectEnd(earlier, 0);
      expect(earlier.stdout).toContain("lemon");
    });

    it("takes the files that have changed since along, and no others", async () => {
      await writeFile(join(given.directory, "answer"), "right\n");
      const without = await given.hearth("retry", run);
      expect(without.exitCode).toBe(1);
      const synced = await given.hearth("retry", run, "--sync");
      expectEnd(synced, 0);
      expect(synced.stderr).toContain("1 file changed and 0 removed");
    });

    it("makes several machines of one moment, each with random numbers of its own", async () => {
      const exec = "curl -sf http://127.0.0.1:5432/; echo; cat /proc/sys/kernel/random/uuid";
      const forked = await given.hearth("fork", run, "--at", "Test", "-n", "3", "--exec", exec, "--json");
      expectEnd(forked, 0);
      const outputs = forked.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).output.trim().split("\n"));
      expect(outputs.map(([rows]) => rows)).toEqual(["43", "43", "43"]);
      expect(new Set(outputs.map(([, uuid]) => uuid)).size).toBe(3);
    });

    it("holds machines of one moment open for visitors, until it is interrupted", async () => {
      const forks = given.box.start(["fork", run, "--at", "Test", "-n", "2", "--json"], { cwd: given.directory });
      const held = await printed(forks, (text) => text.split("\n").length === 3);
      const ids = held
        .trim()
        .split("\n")
        .map((line) => String(JSON.parse(line).id))
        .toSorted((one, other) => (one < other ? -1 : 1));
      expect(ids).toEqual([`${run}f1`, `${run}f2`]);
      const [one = "", other = ""] = ids;
      const looked = await given.hearth("shell", one, "--exec", "curl -sf http://127.0.0.1:5432/; echo mine > note");
      expect(looked).toMatchObject({ exitCode: 0, stdout: "43" });
      expectEnd(await given.hearth("cp", `${one}:note`, "./note-of-one"), 0);
      expect(await readFile(join(given.directory, "note-of-one"), "utf8")).toBe("mine\n");
      const otherOne = await given.hearth("shell", other, "--exec", "curl -sf http://127.0.0.1:5432/; test -e note");
      expect(otherOne).toMatchObject({ exitCode: 1, stdout: "43" });
      forks.kill("SIGINT");
      expect(await forks.ended).toMatchObject({ exitCode: 0 });
      expect(await given.hearth("shell", one, "--exec", "true")).toMatchObject({ exitCode: 2 });
    });

    it("waits at a step that fails, with the machine as it is, until somebody decides", async () => {
      for (const [decision, exitCode] of [
        ["retry", 0],
        ["continue", 1],
        ["abort", 130],
      ] as const) {
        await using own = await newProject();
        const args = ["run", "--provider", provider, "--pause-on-failure", "--json"];
        const running = own.box.start(args, { cwd: own.directory });
        await printed(running, (text) => text.includes('"type":"paused"'));
        const paused = runsOf(await own.hearth("runs", "--json"))[0]?.run ?? "";
        const rows = await own.hearth(
          "shell",
          paused,
          "--exec",
          "curl -sf http://127.0.0.1:5432/; echo right > answer",
        );
        expect(rows).toMatchObject({ exitCode: 0, stdout: "44" });
        expectEnd(await own.hearth(decision, paused), 0);
        const end = await running.ended;
        expectEnd(end, exitCode);
        const tries = end.stdout.split("\n").filter((line) => line.includes('"line":"still counting"')).length;
        expect([decision, tries]).toEqual([decision, decision === "retry" ? 2 : 1]);
        expect(end.stdout.includes('"line":"the end"')).toBe(decision === "retry");
      }
    });

    it("finds out whether a step always fails, never fails, or fails now and then", async () => {
      const before = runsOf(await given.hearth("runs", "--json")).length;
      const always = await given.hearth("flake", run, "--step", "Test", "-n", "3");
      expect(always).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("always fails: 3 trials") });
      const never = await given.hearth("flake", run, "--step", "Count", "-n", "3");
      expect(never).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("never fails: 3 trials") });
      // The eighth part of trials that agree twelve times is one in two thousand.
      await given.edit((text) =>
        text.replace(
          "grep -q right answer",
          "echo drawn > drawn; grep -q '[0-7]' <(head -c 8 /proc/sys/kernel/random/uuid | tail -c 1) || { echo > why; exit 1; }",
        ),
      );
      const flaky = await given.hearth("flake", run, "--step", "Test", "-n", "12");
      expect(flaky.exitCode).toBe(1);
      expect(flaky.stdout).toMatch(/flaky: failed in \d+ of 12 trials/);
      expect(flaky.stdout).toMatch(/Files touched in trial \d+: .*\+ drawn {2}6 B.*\+ why {2}1 B/s);
      expect(flaky.stdout).toMatch(/Files from trial \d+ \(success\) to trial \d+ \(failure\): .*\+ why {2}1 B/s);
      expect(runsOf(await given.hearth("runs", "--json"))).toHaveLength(before);
    });

    it("keeps what it had when Hearth is killed while it takes a checkpoint, and goes on from there", async () => {
      await using own = await newProject();
      const args = ["run", "--provider", provider, "--checkpoint", "steps", "--json"];
      const running = own.box.start(args, { cwd: own.directory });
      let seen = "";
      running.stdout.on("data", (chunk: Buffer) => {
        seen += chunk.toString();
        // The machine is being saved before the next step, or what was saved is being put away.
        if (/"type":"step_completed","job":"test","step":"2"/.test(seen)) running.kill("SIGKILL");
      });
      await running.ended;
      const kept = JSON.parse((await own.hearth("checkpoints", "list", "--json")).stdout).checkpoints;
      expect(kept.length).toBeGreaterThanOrEqual(1);
      await own.edit((text) => text.replace("grep -q right answer", "true"));
      const retried = await own.hearth("retry", "--from", "2", "--job", "test");
      expectEnd(retried, 0);
      await expect.poll(() => leftovers(own.box), { timeout: 30_000 }).toEqual([]);
    });
  });
}

/** Resolves with what it has printed so far once that is enough. Throws when it ends before. */
async function printed(running: RunningHearth, isEnough: (text: string) => boolean): Promise<string> {
  let seen = "";
  const enough = new Promise<string>((resolve) => {
    running.stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      if (isEnough(seen)) resolve(seen);
    });
  });
  const tooEarly = running.ended.then(({ exitCode, stderr }) => {
    throw new Error(`it ended with ${exitCode}:\n${seen}\n${stderr}`);
  });
  return Promise.race([enough, tooEarly]);
}

/** With all that it printed, where it is not so. */
function expectEnd({ exitCode, stdout, stderr }: HearthEnd, wanted: number): void {
  if (exitCode !== wanted) throw new Error(`ended with ${exitCode}, not ${wanted}:\n${stdout}\n${stderr}`);
}

function runsOf({ stdout }: HearthEnd): readonly { readonly run: string }[] {
  return JSON.parse(stdout);
}
