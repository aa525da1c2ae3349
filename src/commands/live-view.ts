/**
 * Draws frames (`live-frame.ts`) at the bottom of a terminal, at most ten a second, and leaves what is finished above them for
 * good. The only writer to the terminal while it is open. A frame is never as high as the window, so it never scrolls by
 * itself; when the window was made narrower, the old frame's lines have wrapped, and that is counted in.
 */
import { plainText } from "./display-text.ts";
import type { Line } from "./line.ts";
import { lineWidth, paintLine, span } from "./line.ts";
import { renderFrame } from "./live-frame.ts";
import { recordLines, runText } from "./record-lines.ts";
import type { RunWatch } from "./run-watch.ts";
import type { Terminal } from "./terminal.ts";
import type { View } from "./view.ts";

const intervalMs = 100;
const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";
/** Synchronised output: terminals that know it show a frame whole, the others ignore it. */
const beginFrame = "\u001b[?2026h";
const endFrame = "\u001b[?2026l";
const clearToLineEnd = "\u001b[K";
const clearBelow = "\u001b[J";

export function createLiveView(terminal: Terminal): View {
  const startedAtMs = terminal.now();
  let running: RunWatch[] = [];
  let waiting: readonly string[] = [];
  let cancelling = false;
  let open = true;
  let drawn: readonly Line[] = [];

  function frame(): Line[] {
    const { columns, rows } = terminal.size();
    // One column stays free, since some terminals wrap when the last is written; one row is the cursor's.
    const window = { columns: Math.max(1, columns - 1), rows: Math.max(1, rows - 1) };
    return renderFrame({ running, waiting, ...window, nowMs: terminal.now(), startedAtMs, cancelling });
  }

  function toTop(): string {
    const { columns } = terminal.size();
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(lineWidth(line) / Math.max(1, columns))), 0);
    return rows === 0 ? "\r" : `\r\u001b[${rows}A`;
  }

  /** Puts `above` where the frame was, for good, and the frame below it. */
  function draw(above: readonly Line[], next: readonly Line[]): void {
    const text = [...above, ...next]
      .map((line) => `${paintLine(line, terminal.out.colors)}${clearToLineEnd}\n`)
      .join("");
    terminal.out.write(`${beginFrame}${toTop()}${text}${clearBelow}${endFrame}`);
    drawn = next;
  }

  terminal.out.write(hideCursor);
  const stop = terminal.every(intervalMs, () => draw([], frame()));

  return {
    event: () => undefined,
    waiting(labels): void {
      waiting = labels;
    },
    started(watch): void {
      running.push(watch);
    },
    ended(watch): void {
      running = running.filter((other) => other !== watch);
      draw(
        [[span(plainText(watch.label), "bold"), span(runText(watch.record))], ...recordLines(watch.record)],
        frame(),
      );
    },
    progress(line): void {
      draw([[span(plainText(line), "dim")]], frame());
    },
    cancelling(message): void {
      cancelling = true;
      draw([[span(message, "yellow")]], frame());
    },
    close(): void {
      if (!open) return;
      open = false;
      stop();
      draw([], []);
      terminal.out.write(showCursor);
    },
  };
}
