/** `--json`: every event with its run's id, one object a line, on a stdout that holds nothing else. */
import { createQuietView } from "./quiet-view.ts";
import type { Terminal } from "./terminal.ts";
import type { View } from "./view.ts";

export function createJsonView(terminal: Terminal): View {
  const { out } = terminal;
  return {
    ...createQuietView(terminal),
    event: ({ record }, event) => out.write(`${JSON.stringify({ run: record.run, ...event })}\n`),
  };
}
