/** `--json`: every event with its run's id, one object a line, on a stdout that holds nothing else. */
import { plainText } from "./display-text.ts";
import type { Terminal } from "./terminal.ts";
import type { View } from "./view.ts";

export function createJsonView({ out, err }: Terminal): View {
  return {
    event: ({ record }, event) => out.write(`${JSON.stringify({ run: record.run, ...event })}\n`),
    waiting: () => undefined,
    started: () => undefined,
    ended: () => undefined,
    progress: (line) => err.write(`${plainText(line)}\n`),
    cancelling: (message) => err.write(`${message}\n`),
    close: () => undefined,
  };
}
