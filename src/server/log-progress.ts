/**
 * What takes long while machines are made (a kernel being downloaded, a template being made, or why there is none), in the server's
 * log. Why there is no template is the same for each of a thousand machines: a line that was logged is not logged again for an hour.
 */
import type { ServerLog } from "./server-log.ts";

const SILENT_MS = 3_600_000;

export function logProgress(log: Pick<ServerLog, "info">, nowMs: () => number): (line: string) => void {
  const saidAtMs = new Map<string, number>();
  return (line) => {
    const now = nowMs();
    for (const [said, atMs] of saidAtMs) if (now - atMs >= SILENT_MS) saidAtMs.delete(said);
    if (saidAtMs.has(line)) return;
    saidAtMs.set(line, now);
    log.info("machine progress", { what: line });
  };
}
