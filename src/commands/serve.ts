/**
 * `hearth serve`: a server until it is told to stop. The first Ctrl-C or SIGTERM lets what runs come to its end; the second ends
 * everything at once. Exit 5 when its disk fails, so that whoever watches it starts it again.
 */
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { reportError } from "./report-error.ts";
import { sameKeyMs } from "./run-all.ts";
import type { ServedHearth } from "./server-door.ts";
import type { Terminal } from "./terminal.ts";

export async function serve({ server }: Hearth, terminal: Terminal): Promise<ExitCode> {
  const { err } = terminal;
  const stop = new AbortController();
  const hurry = new AbortController();
  let lastAtMs = Number.NEGATIVE_INFINITY;
  const stopListening = terminal.onInterrupt(() => {
    if (terminal.now() - lastAtMs < sameKeyMs) return;
    lastAtMs = terminal.now();
    if (stop.signal.aborted) hurry.abort();
    stop.abort();
  });
  try {
    const served = await server.serve();
    printBlock(terminal, served);
    const why = await Promise.race([aborted(stop.signal), served.broken]);
    if (why === undefined) {
      err.write("Stopping: what runs may come to its end; once more ends it at once.\n");
      await served.drain("the server was stopped", hurry.signal);
      return exitCode.success;
    }
    reportError(err, why);
    await served.drain("the disk of the server failed", AbortSignal.abort());
    return exitCode.machine;
  } finally {
    stopListening();
  }
}

function printBlock({ out }: Terminal, { facts, missing }: ServedHearth): void {
  const { bold, green, yellow } = out.colors;
  const width = Math.max(...facts.map(({ name }) => name.length));
  out.write(`${green("hearth is serving")}\n`);
  for (const { name, value } of facts) out.write(`  ${bold(name.padEnd(width))}  ${plainText(value)}\n`);
  for (const line of missing) out.write(`  ${yellow("missing")}  ${plainText(line)}\n`);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
