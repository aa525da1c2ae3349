/** The traces of this host's runs, as the settings have them. Everything is loaded with the first run; without a collector nothing is. */
import { randomBytes } from "node:crypto";
import manifest from "../package.json" with { type: "json" };
import type { Config } from "./config.ts";
import type { RunEvent } from "./store/run-event.ts";
import type { TracedRun } from "./telemetry/run-spans.ts";
import type { RunTraces } from "./telemetry/run-traces.ts";
import type { TraceSettings } from "./telemetry/trace-config.ts";
import { wayOutside } from "./way-outside.ts";

export interface HostTraces {
  /** Resolves to who is to be given every event of one run, in order. Neither throws. */
  follow(run: TracedRun): Promise<(event: RunEvent) => void>;
  /** Sends what waits, for a few seconds at most. Safe to call twice. */
  close(): Promise<void>;
}

/** `warn`: one line for people where traces cannot be sent. */
export function createHostTraces(
  { traces, upstreamProxy }: Pick<Config, "traces" | "upstreamProxy">,
  warn: (line: string) => void,
): HostTraces {
  let opened: Promise<RunTraces | undefined> | undefined;

  async function open(): Promise<RunTraces | undefined> {
    if (traces.kind === "on") return await openTraces(traces, upstreamProxy, warn).catch(give);
    if (traces.kind === "broken") warn(`Traces are not sent: ${traces.reason}`);
    return undefined;
  }

  function give(error: unknown): undefined {
    warn(`Traces are not sent: ${error instanceof Error ? error.message : String(error)}`);
  }

  return {
    async follow(run) {
      const running = traces.kind === "off" ? undefined : await (opened ??= open());
      return running?.follow(run) ?? (() => undefined);
    },
    async close() {
      await (await opened)?.close();
    },
  };
}

async function openTraces(
  settings: TraceSettings,
  upstreamProxy: Config["upstreamProxy"],
  warn: (line: string) => void,
): Promise<RunTraces> {
  const [{ createRunTraces }, { sendSpans }, { addressOf }, fetch] = await Promise.all([
    import("./telemetry/run-traces.ts"),
    import("./telemetry/otlp.ts"),
    import("./telemetry/trace-config.ts"),
    wayOutside(settings.url, upstreamProxy),
  ]);
  const sender = { settings, version: manifest.version, fetch };
  return createRunTraces({
    address: addressOf(settings),
    send: (spans, signal) => sendSpans(sender, spans, signal),
    newIds: () => ({ trace: randomBytes(16).toString("hex"), next: () => randomBytes(8).toString("hex") }),
    warn,
  });
}
