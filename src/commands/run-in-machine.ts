/** One command in a machine that a person looks into, as a step there would run it. */
import { randomUUID } from "node:crypto";
import { StringDecoder } from "node:string_decoder";
import type { ShellPlace } from "../engine/saved-job.ts";
import type { AgentClient, OutputStream } from "../protocol/agent-client.ts";

/** `stop` interrupts it, as Ctrl-C does. Resolves with its exit code; 128 and more where a signal ended it. */
export async function runInMachine(
  agent: AgentClient,
  { env, cwd }: ShellPlace,
  command: string,
  { onOutput, stop }: { readonly onOutput: (stream: OutputStream, text: string) => void; readonly stop: AbortSignal },
): Promise<number> {
  const id = `command-${randomUUID()}`;
  const interrupt = (): void => void agent.signal({ id, signal: "SIGINT", scope: "tree" }).catch(() => undefined);
  stop.addEventListener("abort", interrupt, { once: true });
  try {
    const argv = ["bash", "-c", command];
    const request = { id, argv, env: { ...env }, cwd, user: "runner" as const, write: [], read: [] };
    const decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
    const { code, signal, failure } = await agent.exec(request, (stream, chunk) =>
      onOutput(stream, decoders[stream].write(chunk)),
    );
    if (failure !== undefined) {
      onOutput("stderr", `${failure}\n`);
      return CANNOT_RUN;
    }
    return code ?? SIGNALLED + (SIGNALS[signal ?? ""] ?? 0);
  } finally {
    stop.removeEventListener("abort", interrupt);
  }
}

/** As shells have them. */
const CANNOT_RUN = 126;
const SIGNALLED = 128;
const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };
