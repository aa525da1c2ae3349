/** What a command threw, in words on stderr: what a person can act on without a stack, a fault of ours with it. */
import { EngineError } from "../lib/engine-error.ts";
import { Cancelled } from "./cancelled.ts";
import { plainLines } from "./display-text.ts";
import type { Output } from "./terminal.ts";

export function reportError({ write, colors }: Output, error: unknown): void {
  if (error instanceof Cancelled) {
    write("cancelled\n");
  } else if (error instanceof EngineError) {
    write(`${colors.red("error:")} ${plainLines(error.message).join("\n  ")}\n`);
    if (error.hint !== undefined) write(`  ${plainLines(error.hint).join("\n  ")}\n`);
  } else {
    write(`${colors.red("error:")} a fault in Hearth, please report it\n`);
    write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
}
