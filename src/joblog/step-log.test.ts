import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import type { RunEventBody } from "../store/run-event.ts";
import { MAX_LOG_LINE_BYTES, MAX_STEP_LOG_BYTES } from "./log-writer.ts";
import { Masker } from "./masker.ts";
import { MatcherSet } from "./problem-matcher.ts";
import { createStepLog, MAX_LINE_BYTES } from "./step-log.ts";
import type { StepLogOptions } from "./step-log.ts";

/** A step's log with everything around it; `shown` is the events as a reader would see them, one text each. */
function open(options: Partial<StepLogOptions> = {}) {
  const events: RunEventBody[] = [];
  const effects: string[] = [];
  const masker = options.masker ?? new Masker();
  const matchers = options.matchers ?? new MatcherSet();
  const log = createStepLog({
    job: "build",
    step: "3",
    masker,
    emit: (event) => events.push(event),
    workspace: "/w",
    matchers,
    debug: false,
    allowUnsecureCommands: () => false,
    effects: {
      setOutput: (name, value) => effects.push(`output ${name}=${value}`),
      saveState: (name, value) => effects.push(`state ${name}=${value}`),
      setEnv: (name, value) => effects.push(`env ${name}=${value}`),
      addPath: (path) => effects.push(`path ${path}`),
    },
    readMatcherFile: () => Promise.resolve(undefined),
    ...options,
  });
  return {
    log,
    masker,
    matchers,
    effects,
    events,
    shown: () => events.map(show),
    /** Writes the lines to stdout in one chunk and ends the process. */
    print: async (...lines: readonly string[]) => {
      await log.write("stdout", Buffer.from(lines.map((line) => `${line}\n`).join("")));
      return (await log.end()).failed;
    },
  };
}

function show(event: RunEventBody): string {
  switch (event.type) {
    case "log":
      return event.line;
    case "group":
      return `<group ${event.title}>`;
    case "group_end":
      return "<end>";
    case "annotation": {
      const { level, message, file, line } = event.annotation;
      return `<${[level, file, line, message].filter((part) => part !== undefined).join(" ")}>`;
    }
    default:
      return `unexpected ${event.type}`;
  }
}

const SET_ENV_DISABLED =
  "The `set-env` command is disabled. Please upgrade to using Environment Files or opt into unsecure command execution by setting the `ACTIONS_ALLOW_UNSECURE_COMMANDS` environment variable to `true`. For more information see: https://github.blog/changelog/2020-10-01-github-actions-deprecating-set-env-and-add-path-commands/";

/** ACTIONS-CONTRACT §2.2: what is printed, what is shown. */
const SHOWN: readonly (readonly [name: string, lines: readonly string[], shown: readonly string[]])[] = [
  [
    "text is text, unknown commands too",
    ["a", "", "::unknown::b", "x ::debug::y"],
    ["a", "", "::unknown::b", "x ::debug::y"],
  ],
  ["debug lines are not shown", ["::debug::hidden", "##[debug]hidden"], []],
  [
    "a notice, a warning, an error",
    ["::notice::n", "::warning title=t::w", "##[error]e"],
    ["<notice n>", "##[notice]n", "<warning w>", "##[warning]w", "<error e>", "##[error]e"],
  ],
  ["an error with a place", ["::error file=/w/src/a.ts,line=4::bad"], ["<error src/a.ts 4 bad>", "##[error]bad"]],
  ["a message of several lines", ["::error::one%0Atwo"], ["<error one\ntwo>", "##[error]one", "##[error]two"]],
  ["an error without a message says nothing", ["::error::"], []],
  [
    "groups",
    ["::group::Title", "in", "::endgroup::", "##[group]Old", "##[endgroup]"],
    ["<group Title>", "in", "<end>", "<group Old>", "<end>"],
  ],
  ["a group's title has one line", ["::group::a%0Ab"], ["<group a>", "b"]],
  ["a command in the middle of a line, v1 only", ["x ##[group]T", "x ::group::T"], ["<group T>", "x ::group::T"]],
  ["a mask, from there on", ["token-7", "::add-mask::token-7", "token-7"], ["token-7", "***"]],
  ["a mask of several lines", ["::add-mask::first-part%0Asecond-part", "second-part"], ["***"]],
  [
    "an empty mask",
    ["::add-mask::"],
    [
      "<warning Can't add secret mask for empty string in ##[add-mask] command.>",
      "##[warning]Can't add secret mask for empty string in ##[add-mask] command.",
    ],
  ],
  [
    "stopped commands",
    ["::stop-commands::tok-en-1", "::error::x", "::notice::tok-en-1", "::tok-en-1::", "::notice::y"],
    ["::stop-commands::***", "::error::x", "::notice::***", "::***::", "<notice y>", "##[notice]y"],
  ],
  [
    "a short token, shown, in any case",
    ["::stop-commands::T1", "::error::x", "::t1::", "::notice::y"],
    ["::stop-commands::T1", "::error::x", "::t1::", "<notice y>", "##[notice]y"],
  ],
  [
    "a token hidden behind another command does not resume",
    ["::stop-commands::T1", "::error::##[T1]", "::notice::y"],
    ["::stop-commands::T1", "::error::##[T1]", "::notice::y"],
  ],
  [
    "echo",
    [
      "::echo::on",
      "::group::G",
      "::add-mask::abcdef",
      "::stop-commands::abcdefgh",
      "::abcdefgh::",
      "::notice::abcdef",
      "::echo::OFF",
      "::group::H",
    ],
    [
      "::group::G",
      "<group G>",
      "::add-mask::***",
      "::stop-commands::***",
      "::***::",
      "<notice ***>",
      "##[notice]***",
      "::echo::OFF",
      "<group H>",
    ],
  ],
];

describe("a step's log", () => {
  it.each(SHOWN)("shows %s", async (_, lines, shown) => {
    const step = open();
    expect(await step.print(...lines)).toEqual([]);
    expect(step.shown()).toEqual(shown);
  });

  it("shows debug lines and echoes commands when the job is debugged", async () => {
    const step = open({ debug: true });
    await step.print("::debug::d1%0Ad2", "::set-output name=a::1");
    expect(step.shown().filter((line) => !line.includes("deprecated"))).toEqual([
      "##[debug]d1",
      "##[debug]d2",
      "::set-output name=a::1",
      "##[debug]Set output a = 1",
    ]);
  });

  it("reads commands on both streams, and a last line without its end", async () => {
    const step = open();
    await step.log.write("stdout", Buffer.from("::notice::o"));
    await step.log.write("stderr", Buffer.from("::notice::e"));
    await step.log.end();
    expect(step.shown()).toEqual(["<notice o>", "##[notice]o", "<notice e>", "##[notice]e"]);
  });

  it("passes outputs and state on unmasked, and warns once about each old command", async () => {
    const step = open();
    step.masker.add("s3cr3t-value");
    const failed = await step.print(
      "::set-output name=a::s3cr3t-value",
      "::set-output name=b::x%0Ay",
      "::save-state name=c::z",
      "::set-output name=a::again",
    );
    expect(failed).toEqual([]);
    expect(step.effects).toEqual(["output a=s3cr3t-value", "output b=x\ny", "state c=z", "output a=again"]);
    expect(
      step.shown().filter((line) => line.startsWith("<warning The `set-output` command is deprecated")).length,
    ).toBe(1);
    expect(step.shown().length).toBe(4);
  });

  it("forgets what the process switched when it has ended, and why it failed", async () => {
    const step = open();
    expect(await step.print("::stop-commands::T1")).toEqual([]);
    expect(await step.print("::set-output::x")).toEqual([
      "Required field 'name' is missing in ##[set-output] command.",
    ]);
    expect(await step.print("fine")).toEqual([]);
  });

  it("shows at most ten annotations of each level, and every line of them", async () => {
    const step = open();
    await step.print(...Array.from({ length: 12 }, (_, index) => `::warning::${index}`), "::error::e");
    expect(step.events.filter((event) => event.type === "annotation").length).toBe(11);
    expect(step.shown()).toContain("##[warning]11");
  });

  it("cuts an annotation's message at 4096 characters, masked before", async () => {
    const step = open();
    step.masker.add("s3cr3t-value");
    await step.print(`::error::${"x".repeat(4090)}s3cr3t-value${"y".repeat(100)}`);
    expect(step.events[0]).toMatchObject({ annotation: { message: `${"x".repeat(4090)}***yyy` } });
  });

  it("masks every field of an annotation and a group's title", async () => {
    const step = open();
    step.masker.add("s3cr3t-value");
    await step.print("::error file=s3cr3t-value,title=s3cr3t-value::s3cr3t-value", "::group::s3cr3t-value");
    expect(JSON.stringify(step.events)).not.toContain("s3cr3t");
  });

  it("masks the runner's own lines, and looks for no command in them", async () => {
    const step = open();
    step.masker.add("s3cr3t-value");
    step.log.group("Run echo s3cr3t-value");
    step.log.line("::set-output name=a::s3cr3t-value\nsecond");
    step.log.groupEnd();
    step.log.error("failed: s3cr3t-value");
    step.log.warning("w");
    step.log.debug("not shown");
    expect(step.shown()).toEqual([
      "<group Run echo ***>",
      "::set-output name=a::***",
      "second",
      "<end>",
      "<error failed: ***>",
      "##[error]failed: ***",
      "<warning w>",
      "##[warning]w",
    ]);
    expect(step.effects).toEqual([]);
  });
});

/** Two errors and a failed step each. */
const FAILURES: readonly (readonly [line: string, message: string])[] = [
  ["::set-env name=A::b", SET_ENV_DISABLED],
  ["::add-path::/tmp", SET_ENV_DISABLED.replace("set-env", "add-path")],
  ["::set-output::x", "Required field 'name' is missing in ##[set-output] command."],
  ["::save-state name=::x", "Required field 'name' is missing in ##[save-state] command."],
  ["::echo::maybe", "Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: 'maybe'."],
  ["::echo::", "Invalid echo command value."],
  ["::stop-commands::", "You cannot use a endToken that is an empty string"],
  ["::stop-commands::Pause-Logging", "You cannot use a endToken that is an empty string"],
  ["::stop-commands::set-output", "You cannot use a endToken that is an empty string"],
  ["::add-matcher::none.json", "Could not find file '/w/none.json'."],
];

describe("a command that cannot be obeyed", () => {
  it.each(FAILURES)("%s makes two errors and a failed step", async (line, message) => {
    const step = open();
    const failed = await step.print(line, "after");
    expect(failed).toEqual([expect.stringContaining(message)]);
    const annotations = step.events.map(show).filter((text) => text.startsWith("<error"));
    expect(annotations[0]).toMatch(/^<error Unable to process command '.*' successfully\.>$/);
    expect(annotations[1]).toContain(message);
    expect(step.shown().at(-1)).toBe("after");
    expect(step.effects).toEqual([]);
  });

  it("changes no environment by deprecated commands, however they are written (SECURITY-RELIABILITY A13)", async () => {
    const step = open();
    const failed = await step.print(
      "::set-env name=A::b",
      "##[set-env name=A]b",
      "x ##[SET-ENV name=A;]b",
      "::Add-Path::/tmp",
      "  ::set-env name=LD_PRELOAD::x",
    );
    expect(failed.length).toBe(5);
    expect(step.effects).toEqual([]);
  });

  it("sets environment and path where the workflow allows it, with a warning, but never NODE_OPTIONS", async () => {
    const step = open({ allowUnsecureCommands: () => true });
    expect(
      await step.print("::set-env name=A::b", "::add-path::/opt/bin", "::set-env name=node_options::--require x"),
    ).toEqual([]);
    expect(step.effects).toEqual(["env A=b", "path /opt/bin"]);
    expect(step.shown().filter((line) => line.startsWith("<warning The `set-env` command was obeyed")).length).toBe(1);
    expect(step.shown()).toContain(
      "##[error]Can't update NODE_OPTIONS environment variable using ::set-env:: command.",
    );
  });

  it("adds 100,000 masks as one error, and says that some are not hidden (A13)", async () => {
    const step = open();
    const failed = await step.print(...Array.from({ length: 100_000 }, (_, index) => `::add-mask::mask-${index}-x`));
    expect(failed.length).toBe(1);
    expect(failed[0]).toContain("A job may add 1000 masks");
  });

  it.each(["abc", "e", " a "])("ignores the mask %j with a warning (A13)", async (mask) => {
    const step = open();
    expect(await step.print(`::add-mask::${mask}`, "abc eee")).toEqual([]);
    expect(step.shown().at(-1)).toBe("abc eee");
    expect(step.shown()[0]).toContain("<warning Can't add secret mask of fewer than 4 characters");
  });

  it("bounds what a step sets by commands (A14)", async () => {
    const many = open();
    expect(
      (await many.print(...Array.from({ length: 1005 }, (_, index) => `::set-output name=n${index}::v`))).length,
    ).toBe(5);
    expect(many.effects.length).toBe(1000);
    const large = open();
    const half = "v".repeat(600_000);
    expect(
      (
        await large.print(
          `::set-output name=a::${half}`,
          `::set-output name=a::${half}`,
          `::set-output name=b::${half}`,
        )
      ).length,
    ).toBe(1);
    expect(large.effects.length).toBe(2);
  });

  it("does not obey a command that is longer than 1 MiB, and shows nothing of it", async () => {
    const step = open();
    const failed = await step.print(`::add-mask::${"s".repeat(MAX_LINE_BYTES)}`);
    expect(failed).toEqual(["The command is longer than 1 MiB."]);
    expect(step.shown().join("")).not.toContain("sss");
  });

  it("obeys a command that is longer than a line of the log", async () => {
    const step = open();
    expect(await step.print(`::set-output name=a::${"v".repeat(200_000)}`)).toEqual([]);
    expect(step.effects[0]?.length).toBe(200_000 + "output a=".length);
  });
});

describe("problem matchers in a step's log", () => {
  const FILE = Buffer.from(
    JSON.stringify({
      problemMatcher: [
        {
          owner: "x",
          severity: "warning",
          pattern: [{ regexp: "^(\\w+\\.c):(\\d+): (.*)$", file: 1, line: 2, message: 3 }],
        },
      ],
    }),
  );
  const readMatcherFile = (path: string): Promise<Buffer | undefined> =>
    Promise.resolve(path === "/w/m.json" ? FILE : undefined);

  it("match from the line after add-matcher to the line before remove-matcher, colours aside", async () => {
    const step = open({ readMatcherFile });
    expect(
      await step.print(
        "a.c:1: before",
        "::add-matcher::m.json",
        "\u001b[31ma.c:2\u001b[0m: in",
        "other",
        "::remove-matcher owner=X::",
        "a.c:3: after",
      ),
    ).toEqual([]);
    expect(step.shown()).toEqual([
      "a.c:1: before",
      "<warning a.c 2 in>",
      "##[warning]a.c:2: in",
      "other",
      "a.c:3: after",
    ]);
  });

  it("stay for later steps of the job, and can be removed by file", async () => {
    const matchers = new MatcherSet();
    await open({ readMatcherFile, matchers }).print("::add-matcher::/w/m.json");
    const second = open({ readMatcherFile, matchers });
    await second.print("a.c:1: x", "::remove-matcher::m.json", "a.c:2: y");
    expect(second.shown()).toEqual(["<warning a.c 1 x>", "##[warning]a.c:1: x", "a.c:2: y"]);
  });

  it("keep the order of lines while a file is read, also across chunks and streams", async () => {
    const file = Promise.withResolvers<Buffer>();
    const step = open({ readMatcherFile: () => file.promise });
    const writes = [
      step.log.write("stdout", Buffer.from("one\n::add-matcher::m.json\na.c:2: two\nthr")),
      step.log.write("stderr", Buffer.from("err\n")),
      step.log.write("stdout", Buffer.from("ee\n")),
    ];
    expect(step.shown()).toEqual(["one"]);
    file.resolve(FILE);
    for (const write of writes) await write;
    await step.log.end();
    expect(step.shown()).toEqual(["one", "<warning a.c 2 two>", "##[warning]a.c:2: two", "err", "three"]);
  });

  it.each([
    ["::add-matcher::", "File path must be specified."],
    ["::remove-matcher::", "Either an owner name or a file path must be specified"],
    ["::remove-matcher owner=x::m.json", "Both values cannot be set."],
  ])("%s is a warning", async (line, message) => {
    const step = open({ readMatcherFile });
    expect(await step.print(line)).toEqual([]);
    expect(step.shown()[0]).toContain(message);
  });

  it("fail the step when the guest refuses the file, and let a lost machine through", async () => {
    const refused = open({ readMatcherFile: () => Promise.reject(new EngineError("GUEST_REFUSED", "too large")) });
    expect(await refused.print("::add-matcher::m.json")).toEqual(["too large"]);
    const lost = open({ readMatcherFile: () => Promise.reject(new EngineError("MACHINE_LOST", "gone")) });
    await expect(lost.print("::add-matcher::m.json")).rejects.toThrow("gone");
  });
});

describe("limits of a step's log (SECURITY-RELIABILITY A31, §3.2)", () => {
  it("cuts a long line after masking it, so that no half of a secret shows", async () => {
    const step = open();
    step.masker.add("s3cr3t-value");
    const lead = "x".repeat(MAX_LOG_LINE_BYTES - 5);
    await step.print(`${lead}s3cr3t-valueyyy`);
    expect(step.shown()).toEqual([`${lead}***yy[line truncated, 1 bytes]`]);
  });

  it.each([
    ["apart", "s3cr3t-value,"],
    ["touching, so that all of them are one", "s3cr3t-value"],
  ])("hides the secret at the place where an endless line is cut as it comes in: %s", async (_, secrets) => {
    const step = open();
    step.masker.add("s3cr3t-value");
    const chunk = Buffer.from(secrets.repeat(1000));
    for (let count = 0; count < 200; count++) await step.log.write("stdout", chunk);
    await step.log.end();
    const [line = ""] = step.shown();
    expect(line).not.toContain("s3");
    expect(line).toMatch(/\[line truncated, \d+ bytes\]$/);
    expect(line.length).toBeLessThan(MAX_LOG_LINE_BYTES + 50);
  });

  it("does not cut a character in two", async () => {
    const step = open();
    await step.print(`x${"é".repeat(MAX_LOG_LINE_BYTES)}`);
    expect(step.shown()[0]).not.toContain("\ufffd");
    expect(step.shown()[0]).toContain(
      `[line truncated, ${1 + 2 * MAX_LOG_LINE_BYTES - (MAX_LOG_LINE_BYTES - 1)} bytes]`,
    );
  });

  it("says once that the log is full, obeys commands all the same, and lets the runner speak", async () => {
    let logged = 0;
    const last: string[] = [];
    const effects: string[] = [];
    const step = open({
      emit: (event) => {
        if (event.type === "log") logged += event.line.length;
        last.push(show(event));
        if (last.length > 5) last.shift();
      },
      effects: {
        setOutput: (name) => effects.push(name),
        saveState: () => undefined,
        setEnv: () => undefined,
        addPath: () => undefined,
      },
    });
    const chunk = Buffer.from(`${"x".repeat(1023)}\n`.repeat(1024));
    for (let count = 0; count < 70; count++) await step.log.write("stdout", chunk);
    await step.print("::set-output name=late::v", "::group::not shown", "not shown");
    step.log.error("Process completed with exit code 1.");
    expect(logged).toBeGreaterThan(MAX_STEP_LOG_BYTES - (1 << 20));
    expect(logged).toBeLessThan(MAX_STEP_LOG_BYTES + (1 << 10));
    expect(effects).toEqual(["late"]);
    expect(last.slice(1)).toEqual([
      "[log truncated after 64 MiB; the step's result is not affected]",
      expect.stringContaining("deprecated"),
      "<error Process completed with exit code 1.>",
      "##[error]Process completed with exit code 1.",
    ]);
  });

  it("counts an empty line as more than its byte, for its record is larger", async () => {
    const counts = { lines: 0 };
    const step = open({ emit: () => counts.lines++ });
    const chunk = Buffer.from("\n".repeat(1 << 20));
    for (let count = 0; count < 4; count++) await step.log.write("stdout", chunk);
    expect(counts.lines).toBe(MAX_STEP_LOG_BYTES / 32 + 1);
  });
});

/** SECURITY-RELIABILITY A19. */
describe("no secret reaches an event", () => {
  const secretText = fc
    .string({
      unit: fc.constantFrom(...("abcXYZ019 _-+/=&%$\"'\\<>;{}é日😀".match(/./gu) ?? [])),
      minLength: 8,
      maxLength: 60,
    })
    .filter((text) => text.trim().length >= 8);

  const ENCODINGS: readonly ((secret: string) => string)[] = [
    (secret) => secret,
    (secret) => Buffer.from(secret).toString("base64"),
    (secret) => Buffer.from(`u${secret}v`).toString("base64"),
    (secret) => Buffer.from(`us${secret}vw`).toString("base64"),
    (secret) => Buffer.from(secret).toString("base64url"),
    (secret) => Buffer.from(secret).toString("hex"),
    (secret) => Buffer.from(secret).toString("hex").toUpperCase(),
    (secret) => encodeURIComponent(secret),
    (secret) => new URLSearchParams({ k: secret }).toString(),
    (secret) => JSON.stringify(secret),
    (secret) =>
      secret
        .replaceAll("&", "&amp;")
        .replaceAll("<", "&lt;")
        .replaceAll(">", "&gt;")
        .replaceAll('"', "&quot;")
        .replaceAll("'", "&apos;"),
    (secret) => secret.replaceAll("'", "''"),
    (secret) => `'${secret.replaceAll("'", `'\\''`)}'`,
    (secret) => Array.from(secret).join("\u001b[1m"),
  ];

  /** What must not be seen: the text itself, and of base64 the digits that do not depend on what stands around the secret. */
  function core(secret: string, encoding: number): string {
    const text = ENCODINGS[encoding]?.(secret) ?? "";
    const bytes = Buffer.byteLength(secret);
    if (encoding === 1 || encoding === 4) return text.slice(0, Math.floor((bytes * 8) / 6));
    if (encoding === 2) return text.slice(4, 4 + Math.floor(((bytes - 2) * 8) / 6));
    if (encoding === 3) return text.slice(4, 4 + Math.floor(((bytes - 1) * 8) / 6));
    if (encoding === 8) return text.slice(2);
    if (encoding === 9 || encoding === 12) return text.slice(1, -1);
    return text;
  }

  it("in 14 encodings, cut into chunks of any size, among other text, on either stream", async () => {
    await fc.assert(
      fc.asyncProperty(
        secretText,
        fc.nat(13),
        fc.array(fc.integer({ min: 1, max: 1 << 16 }), { minLength: 1, maxLength: 20 }),
        fc.nat(70_000),
        fc.constantFrom("", "::error::", "::group::", "##[warning]"),
        async (secret, encoding, sizes, lead, command) => {
          const step = open();
          step.masker.add(secret);
          const trimmed = secret.trim();
          const bytes = Buffer.from(
            `first\n${command}${"-".repeat(lead)} ${ENCODINGS[encoding]?.(trimmed)} tail\nlast`,
          );
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            await step.log.write("stderr", bytes.subarray(at, at + size));
            at += size;
          }
          await step.log.end();
          const hidden = core(trimmed, encoding);
          for (const text of step.events.flatMap(textsOf)) expect(text.includes(hidden)).toBe(false);
          expect(step.shown().at(-1)).toBe("last");
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("line by line of a secret that has several, whatever ends them", async () => {
    const key =
      "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----";
    for (const end of ["\n", "\r\n", "\r"]) {
      const step = open();
      step.masker.add(key);
      await step.print(key.replaceAll("\n", end));
      expect(step.shown()).toEqual(["***", "***", "***", "***"]);
    }
  });

  it("and text without secrets passes unchanged, in any chunks", async () => {
    const line = fc.string({ unit: fc.constantFrom("a", "b", " ", "é", "😀", "\t", "{", "\u001b[0m"), maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 100 }), async (lines, size) => {
        const step = open();
        step.masker.add("s3cr3t-value-1");
        step.masker.add('{\n"k": "v7-another"\n}');
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
        for (let at = 0; at < bytes.length; at += size) await step.log.write("stdout", bytes.subarray(at, at + size));
        await step.log.end();
        expect(step.shown()).toEqual(lines);
      }),
    );
  });
});

function textsOf(event: RunEventBody): string[] {
  return Object.values({ ...event, ...(event.type === "annotation" ? event.annotation : {}) }).filter(
    (value) => typeof value === "string",
  );
}
