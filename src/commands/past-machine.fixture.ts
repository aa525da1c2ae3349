/** Moments of a kept run for tests: what a restored machine says of its files, and what the job knew then. */
import { gzipSync } from "node:zlib";
import type { StoredCheckpoint } from "../checkpoint/checkpoint-store.ts";
import { createEgressLedger } from "../engine/egress-ledger.ts";
import type { JobMachine } from "../engine/job-run.ts";
import { newJobState } from "../engine/job-state.ts";
import type { JobState } from "../engine/job-state.ts";
import { writeSavedJob } from "../engine/saved-job.ts";
import type { ExecRequest } from "../protocol/agent-api.ts";
import { at } from "./fake-hearth.ts";

export const workspace = "/home/runner/work/repo/repo";
export const secret = "s3cr3t-value";

/** A machine as it was before a step: what its program prints, and what the job knew. */
export interface Past {
  readonly files?: Readonly<
    Record<string, { readonly mode?: number; readonly text?: string; readonly ctimeMs?: number }>
  >;
  readonly lines?: readonly unknown[];
  readonly state?: (state: JobState) => void;
  readonly isPreloaded?: boolean;
  readonly answer?: (request: ExecRequest) => { readonly code: number; readonly stdout: Buffer } | undefined;
}

export function pastCheckpoint(step: number): StoredCheckpoint {
  return {
    run: "run1",
    job: "build",
    step,
    stepName: "",
    provider: "gvisor",
    at,
    tookMs: 1,
    machineBytes: 1,
    addedBytes: 1,
  };
}

export function savedJob(step: number, { state: change }: Past): Buffer {
  const state = newJobState({ OLD: "1" }, {});
  change?.(state);
  return writeSavedJob({
    job: "build",
    step,
    machine: made,
    state,
    trackingId: "t",
    masks: { values: [secret], secrets: [secret], jobMasks: 0, jobMaskCharacters: 0 },
    matchers: { matchers: [], budgetMs: 0 },
    ended: new Map(),
    texts: { surroundings: "", steps: [] },
    shell: { env: {}, cwd: workspace },
  });
}

const made = { provider: "gvisor", cpus: 2, memoryMib: 1024, image: undefined, certificateAuthorities: undefined };
const notAskedFor = (): never => {
  throw new Error("nothing but programs is asked of a restored machine");
};

export function pastMachine(past: Past): JobMachine {
  const exec: JobMachine["agent"]["exec"] = async (request, onOutput) => {
    const { code, stdout } = past.answer?.(request) ?? { code: 0, stdout: answerOf(past, request) };
    // In pieces, as a stream brings them.
    for (let from = 0; from < stdout.length; from += 100) await onOutput("stdout", stdout.subarray(from, from + 100));
    const preload =
      past.isPreloaded === true ? { kind: "too_large" as const, sizeBytes: 9 } : { kind: "missing" as const };
    return { code, signal: null, files: [preload] };
  };
  return {
    id: "m1",
    isolation: "none (fake)",
    made,
    agent: {
      exec,
      signal: async () => undefined,
      ready: notAskedFor,
      shell: notAskedFor,
      readFile: notAskedFor,
      writeFile: notAskedFor,
      unpack: notAskedFor,
      unpackInput: notAskedFor,
      pack: notAskedFor,
      hashFiles: notAskedFor,
      reset: notAskedFor,
      vitals: notAskedFor,
      [Symbol.asyncDispose]: async () => {},
    },
    bulk: undefined,
    memoryMib: 1024,
    oomKills: notAskedFor,
    connections: notAskedFor,
    arch: "X64",
    layout: {
      work: "/work",
      workspace,
      home: "/home/runner",
      externals: "/opt/externals",
      temp: "/work/_temp",
      toolCache: "/opt/tools",
      actions: "/work/_actions",
      servicesUrl: undefined,
      proxyUrl: undefined,
    },
    environment: {},
    servicesUrl: notAskedFor,
    openJob: notAskedFor,
    egress: createEgressLedger(),
    apiNotes: new Set(),
  };
}

function answerOf({ files = {}, lines = [] }: Past, { argv }: ExecRequest): Buffer {
  const wish = JSON.parse(argv.slice(argv.indexOf("--") + 1).join(""));
  const all = Object.entries(files);
  const said =
    wish.kind === "look"
      ? [
          ...lines,
          ...all.flatMap(([path, { mode = 0o100644, text = "", ctimeMs = 1 }]) => {
            const cut = path.lastIndexOf("/");
            const [directory, name] = [path.slice(0, cut), path.slice(cut + 1)].map(latin1);
            return [
              ["d", directory],
              ["f", name, mode, 1001, 1001, text.length, 1, ctimeMs],
            ];
          }),
        ]
      : wish.paths.map((path: string) => {
          const text = all.find(([name]) => latin1(name) === path)?.[1].text ?? "";
          return ["c", `digest of ${text}`, Buffer.from(text).toString("base64")];
        });
  return gzipSync([...said, ["end", 1, false]].map((line) => `${JSON.stringify(line)}\n`).join(""));
}

function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}
