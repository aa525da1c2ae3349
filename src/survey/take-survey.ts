/** Asks a machine what is in it, by a program of Hearth's that the machine's agent starts as root with Hearth's own Node. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { EngineError } from "../lib/engine-error.ts";
import { LineSplitter } from "../lib/line-splitter.ts";
import type { AgentClient } from "../protocol/agent-client.ts";
import { parseContents, parseSurvey, unreadable } from "./survey.ts";
import type { FileContent, Survey, SurveyWish } from "./survey.ts";

/** As a `JobMachine` has them. */
export interface SurveyedMachine {
  readonly agent: Pick<AgentClient, "exec" | "signal">;
  readonly layout: {
    readonly externals: string;
    readonly temp: string;
    readonly toolCache: string;
    readonly actions: string;
  };
}

/** Makes every program of the guest load a library: a way to lie to ours. Missing in every image that nobody has changed. */
const PRELOAD = "/etc/ld.so.preload";
/** Of arguments together, of which the kernel takes 2 MiB. */
const MAX_ASKED_CHARACTERS = 1 << 20;
const ARGUMENT_CHARACTERS = 64 << 10;
const MAX_ANSWER_BYTES = 1 << 30;
const MAX_LINE_BYTES = 64 << 20;
const MAX_COMPLAINT_CHARACTERS = 2_000;
const DEADLINE_MS = 300_000;

/** Beside the sources, and beside the release's one file. */
const PROGRAM = join(import.meta.dirname, "guest-program", "main.mts");

/** `isPreloaded`: what is seen may be what a library of the guest wants to be seen. */
export async function takeSurvey(
  machine: SurveyedMachine,
  wish: Extract<SurveyWish, { kind: "look" }>,
  signal: AbortSignal,
): Promise<{ readonly survey: Survey; readonly isPreloaded: boolean }> {
  const { lines, isPreloaded } = await ask(machine, wish, signal);
  return { survey: parseSurvey(lines), isPreloaded };
}

/** By path. Stops the machine's processes, as `takeSurvey` does: for a copy that is thrown away. */
export async function readContents(
  machine: SurveyedMachine,
  paths: readonly string[],
  maxBytes: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, FileContent>> {
  const found = new Map<string, FileContent>();
  for (const part of inParts(paths)) {
    const { lines } = await ask(machine, { kind: "read", paths: part, maxBytes }, signal);
    for (const [index, content] of parseContents(lines, part.length).entries()) found.set(part[index] ?? "", content);
  }
  return found;
}

async function ask(
  { agent, layout }: SurveyedMachine,
  wish: SurveyWish,
  signal: AbortSignal,
): Promise<{ readonly lines: readonly string[]; readonly isPreloaded: boolean }> {
  const program = await readFile(PROGRAM, "utf8");
  const id = `survey-${randomUUID()}`;
  const stop = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  const kill = (): void => void agent.signal({ id, signal: "SIGKILL", scope: "tree" }).catch(() => undefined);
  stop.addEventListener("abort", kill, { once: true });
  const text = new Unpacked();
  let complaint = "";
  try {
    const wishes = JSON.stringify(wish).match(new RegExp(`[^]{1,${ARGUMENT_CHARACTERS}}`, "gu")) ?? [];
    const node = [`${layout.externals}/node24/bin/node`, "--no-warnings", "--input-type=module-typescript"];
    const argv = [...node, "-e", program, "--", ...wishes];
    const read = [{ path: PRELOAD, maxBytes: 0 }];
    const request = { id, argv, env: {}, cwd: "/", user: "root" as const, write: [], read };
    const {
      code,
      signal: killed,
      failure,
      files,
    } = await agent.exec(request, (stream, chunk) => {
      if (stream === "stdout") return text.push(chunk);
      complaint = (complaint + chunk.toString()).slice(0, MAX_COMPLAINT_CHARACTERS);
      return undefined;
    });
    signal.throwIfAborted();
    if (code !== 0) {
      const why = failure ?? (complaint.trim() || `it ended with ${killed ?? `exit code ${code}`}`);
      throw new EngineError("GUEST_REFUSED", `Cannot look at the machine's files and processes: ${why}`);
    }
    return { lines: await text.end(), isPreloaded: files[0]?.kind !== "missing" };
  } finally {
    stop.removeEventListener("abort", kill);
  }
}

/** Lines of a gzip stream of unknown goodwill. */
class Unpacked {
  readonly #gunzip = createGunzip();
  readonly #lines: Promise<readonly string[]>;

  constructor() {
    this.#lines = linesOf(this.#gunzip);
    // Asked for in `end`; until then it may have failed.
    this.#lines.catch(() => undefined);
  }

  async push(chunk: Buffer): Promise<void> {
    if (this.#gunzip.destroyed || this.#gunzip.write(chunk)) return;
    await new Promise<void>((resolve) => {
      for (const event of ["drain", "close", "error"]) this.#gunzip.once(event, () => resolve());
    });
  }

  end(): Promise<readonly string[]> {
    this.#gunzip.end();
    return this.#lines;
  }
}

async function linesOf(chunks: AsyncIterable<Buffer>): Promise<readonly string[]> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  const lines: string[] = [];
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) throw unreadable();
      for (const { text } of splitter.push(chunk)) lines.push(text);
    }
  } catch (error) {
    throw error instanceof EngineError ? error : unreadable();
  }
  return lines;
}

function* inParts(paths: readonly string[]): Generator<readonly string[]> {
  let part: string[] = [];
  let characters = 0;
  for (const path of paths) {
    // A byte above 127 takes two in an argument.
    if (part.length > 0 && characters + 2 * path.length > MAX_ASKED_CHARACTERS) {
      yield part;
      part = [];
      characters = 0;
    }
    part.push(path);
    characters += 2 * path.length + 3;
  }
  if (part.length > 0) yield part;
}
