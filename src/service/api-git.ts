/**
 * How the API facade reads a repository: git as a child process with an environment of its own, an argument vector, a limit on
 * what it prints, on how long it takes and on how many run at once. Names that come from a machine are never arguments by
 * themselves: revisions go in through standard input (`api-revision.ts`), paths behind `--` as literals.
 * Source: SECURITY-RELIABILITY A17 and A18.
 */
import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";
import { Semaphore } from "../lib/semaphore.ts";
import { ApiProblem } from "./api-message.ts";
import { exitOf, startGit } from "./git-process.ts";
import type { GitProcess } from "./git-process.ts";

export interface ApiGit {
  /** What git printed. Throws `ApiProblem`: 404 when git says no, 403 for more than `maxBytes`, 503 when it takes too long. */
  read(args: readonly string[], options?: GitReadOptions): Promise<Buffer>;
  /** As it comes; breaks when git fails, and ends git when it is destroyed. */
  stream(args: readonly string[]): Readable;
}

export interface GitReadOptions {
  readonly input?: string;
  /** Default 32 MiB. */
  readonly maxBytes?: number;
  /** The answer when git says no, instead of 404. */
  readonly otherwise?: Buffer;
}

const MAX_OUTPUT_BYTES = 32 << 20;
const DEADLINE_MS = 60_000;
/** Of one machine, whatever it asks for at once. */
const MAX_PROCESSES = 8;

export type GitReader = (gitDir: string, signal: AbortSignal) => ApiGit;

/** One for each machine: its places are shared by all repositories it reads. */
export function createGitReader(): GitReader {
  const places = new Semaphore(MAX_PROCESSES);
  return (gitDir, signal) => ({
    async read(args, { input = "", maxBytes = MAX_OUTPUT_BYTES, otherwise } = {}) {
      using held = await places.acquire();
      signal.throwIfAborted();
      const child = startReading(gitDir, args);
      const until = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
      const stop = (): void => void child.kill("SIGKILL");
      until.addEventListener("abort", stop, { once: true });
      try {
        const closed = exitOf(child);
        child.stdin.end(input);
        const output = await collect(child.stdout, maxBytes, stop);
        const code = await closed;
        if (until.aborted) throw new ApiProblem(503, "The repository could not be read in time");
        if (output === undefined) throw tooLarge();
        if (code === 0) return output;
        if (otherwise !== undefined) return otherwise;
        throw new ApiProblem(404, "Not Found");
      } finally {
        until.removeEventListener("abort", stop);
      }
    },
    stream(args) {
      const child = startReading(gitDir, args);
      const stop = (): void => void child.kill("SIGKILL");
      const output = new PassThrough();
      output.once("close", stop);
      signal.addEventListener("abort", stop, { once: true });
      child.stdin.end();
      // It ends only when git has ended well: half an archive must not look like a whole one.
      child.stdout.pipe(output, { end: false });
      void exitOf(child).then((code) => {
        signal.removeEventListener("abort", stop);
        if (code === 0) output.end();
        else output.destroy(new Error("git could not read the repository"));
      });
      return output;
    },
  });
}

function tooLarge(): ApiProblem {
  return new ApiProblem(403, "This API returns objects of limited size, and the requested one is larger", {
    errors: [{ resource: "Blob", field: "data", code: "too_large" }],
  });
}

function startReading(gitDir: string, args: readonly string[]): GitProcess {
  return startGit(args, {
    settings: ["core.quotePath=false"],
    options: ["--no-pager", "--literal-pathspecs", `--git-dir=${gitDir}`],
  });
}

/** Undefined when it was more than that; `stop` has then been called. */
async function collect(from: Readable, maxBytes: number, stop: () => void): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of from) {
    size += chunk.length;
    if (size > maxBytes) {
      stop();
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
