/** A lost machine in words: why, and the last that its console said. */
import type { RunEvent } from "../store/run-event.ts";
import { plainText, splitReturns } from "./display-text.ts";

/** The record has up to 4 KiB. */
const CONSOLE_LINES = 10;

/** The first line says what happened; those of the console are indented. */
export function lossLines(event: Extract<RunEvent, { readonly type: "machine_lost" }>): readonly string[] {
  const { cause, reason } = event;
  const console = event.console.trimEnd().split("\n").flatMap(splitReturns).slice(-CONSOLE_LINES);
  return [
    `machine lost (${cause.replaceAll("_", " ")}): ${plainText(reason)}`,
    ...console.filter((line) => line.trim() !== "").map((line) => `  ${plainText(line)}`),
  ];
}
