/**
 * GitHub's own packages against services that fail in their middle: what clients try again works out, what they cannot is said by
 * them, and in no case does anybody get half of what was uploaded.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { asJob, openDoor, someClaims } from "../../src/service/service-door.fixture.ts";
import type { Door, JobDoor } from "../../src/service/service-door.fixture.ts";
import type { AttachedServices } from "../../src/service/services.ts";
import { bundleActions } from "../clients/bundle.ts";
import { faultServer } from "../clients/fault-server.ts";
import type { Fault, FaultServer } from "../clients/fault-server.ts";

let actions: string;
let door: Door;
let machine: AttachedServices;
let job: JobDoor;

beforeAll(async () => {
  actions = await mkdtemp(join(tmpdir(), "hearth-clients-"));
  await bundleActions(actions);
});
afterAll(() => rm(actions, { recursive: true }));
beforeEach(async () => {
  door = openDoor();
  // Clients read the time in a token by their own clock.
  door.clock.ms = Date.now();
  machine = await door.attach();
  job = asJob(machine, someClaims());
});
afterEach(() => door[Symbol.asyncDispose]());

interface ClientEnd {
  readonly exitCode: number | null;
  readonly output: string;
}

async function runClient(
  action: string,
  inputs: Record<string, string>,
  { services }: JobDoor,
  front: FaultServer,
): Promise<ClientEnd> {
  const work = await mkdtemp(join(door.stateDir, "work-"));
  const temporary = join(work, "temp");
  await mkdir(temporary);
  const env = {
    PATH: process.env["PATH"] ?? "",
    ...services.stepVariables,
    ...services.actionVariables,
    ACTIONS_RESULTS_URL: `${front.origin}/`,
    ACTIONS_CACHE_URL: `${front.origin}/`,
    GITHUB_SERVER_URL: "https://github.com",
    GITHUB_WORKSPACE: work,
    RUNNER_TEMP: temporary,
    ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
  };
  const child = spawn(process.execPath, [join(actions, action, "index.js")], {
    cwd: work,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, err, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { exitCode, output: out + err };
}

const isTwirp =
  (method: string) =>
  ({ url }: IncomingMessage): boolean =>
    url?.endsWith(`/${method}`) === true;
const isBlock = ({ method, url }: IncomingMessage): boolean =>
  method === "PUT" && url?.includes("comp=block&") === true;
const isDownload = ({ method, url }: IncomingMessage): boolean =>
  method === "GET" && url?.startsWith("/blob/") === true;

const UPLOAD = { part: "concurrent" };

describe("what clients try again", () => {
  const cases: readonly [string, Fault][] = [
    [
      "an upload that breaks off in the middle of a block",
      { matches: isBlock, at: 3, kind: { cutRequestAfterBytes: 1 << 20 } },
    ],
    ["a block that is answered 500", { matches: isBlock, at: 2, kind: { status: 500 } }],
    ["a block that is answered 503", { matches: isBlock, at: 5, kind: { status: 503 } }],
    [
      "a reservation that is answered 500, not even in JSON",
      { matches: isTwirp("CreateArtifact"), at: 2, kind: { status: 500 } },
    ],
    ["an end that is answered 502", { matches: isTwirp("FinalizeArtifact"), at: 1, kind: { status: 502 } }],
    ["a list that is answered 500", { matches: isTwirp("ListArtifacts"), at: 1, kind: { status: 500 } }],
    ["a download that is answered 503", { matches: isDownload, at: 1, kind: { status: 503 } }],
  ];
  it.each(cases)("works out: %s", { timeout: 120_000 }, async (_, fault) => {
    await using front = await faultServer(job.origin, [fault]);
    const { exitCode, output } = await runClient("artifacts", UPLOAD, job, front);
    expect({ exitCode, happened: front.happened, output: exitCode === 0 ? "" : output }).toEqual({
      exitCode: 0,
      happened: [1],
      output: "",
    });
  });
});

describe("what clients cannot mend", () => {
  it("a token that has expired is said in the log, and the step fails", { timeout: 60_000 }, async () => {
    door.clock.ms += 3600_000;
    await using front = await faultServer(job.origin, []);
    const { exitCode, output } = await runClient("artifacts", UPLOAD, job, front);
    expect(exitCode).toBe(1);
    expect(output).toMatch(/\(401\).*no token of a job that is running/);
  });

  it("a job that has ended is refused, and what it left is nobody's", { timeout: 60_000 }, async () => {
    const other = asJob(machine, someClaims({ job: "other" }));
    job.services[Symbol.dispose]();
    await using front = await faultServer(job.origin, []);
    expect(await runClient("artifacts", UPLOAD, job, front)).toMatchObject({ exitCode: 1 });
    expect(await runClient("artifacts", UPLOAD, other, front)).toMatchObject({ exitCode: 0 });
  });

  it("a cache that cannot be had is a warning at most, and never half of one", { timeout: 60_000 }, async () => {
    const faults: Fault[] = [{ matches: isDownload, at: 1, kind: { cutReplyAfterBytes: 1 << 20 } }];
    await using front = await faultServer(job.origin, faults);
    const { output } = await runClient("caches", { key: "k-x", bytes: String(8 << 20) }, job, front);
    expect(front.happened).toEqual([1]);
    expect(output).not.toContain("CLIENT cache");
  });

  it("an event that strangers cause may write no cache, and its step is told so", { timeout: 60_000 }, async () => {
    const stranger = asJob(machine, someClaims({ event: "pull_request_target", trusted: false }));
    await using front = await faultServer(stranger.origin, []);
    const { exitCode, output } = await runClient("caches", { key: "k-x", bytes: "10" }, stranger, front);
    expect(exitCode).toBe(1);
    expect(output).toContain("cache write denied");
    await expect(readFile(join(door.stateDir, "blobs/caches"))).rejects.toThrow("ENOENT");
  });
});
