import { plainText } from "./display-text.ts";
import type { Terminal } from "./terminal.ts";
import type { View } from "./view.ts";

/** Nothing of runs is shown as it happens, only what their reader must know: the others are this one and more. */
export function createQuietView({ err }: Pick<Terminal, "err">): View {
  return {
    event: () => undefined,
    waiting: () => undefined,
    started: () => undefined,
    ended: () => undefined,
    progress: (line) => err.write(`${plainText(line)}\n`),
    cancelling: (message) => err.write(`${message}\n`),
    close: () => undefined,
  };
}
