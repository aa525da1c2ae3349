/** The screen and keyboard of this process, raw. What is changed is changed back when the process ends, however short of a kill. */
import { spawnSync } from "node:child_process";
import type { Screen } from "./terminal.ts";

export const processScreen: Screen = {
  get hasKeyboard() {
    return isTerminal(process.stdin);
  },
  takeKeyboard(onKeys, onEnd) {
    const { stdin } = process;
    let isTaken = true;
    const onData = (bytes: Buffer): void => {
      stdin.pause();
      void onKeys(bytes).then(() => {
        if (isTaken) stdin.resume();
      });
    };
    const release = (): void => {
      if (!isTaken) return;
      isTaken = false;
      stdin.off("data", onData).off("end", onEnd).off("error", onEnd);
      process.off("exit", release);
      // A window that was closed has no mode any more.
      if (!stdin.destroyed) stdin.setRawMode(false);
      stdin.pause();
    };
    stdin.setRawMode(true);
    // Node's raw mode still turns each line feed into two characters, which the terminal in the machine has done already; a program that
    // moves the cursor down by one would find it at the left. What was before comes back with the mode. Without `stty` it stays so.
    spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
    process.on("exit", release);
    stdin.on("data", onData).once("end", onEnd).once("error", onEnd).resume();
    return release;
  },
  onResize(listener) {
    process.on("SIGWINCH", listener);
    return () => void process.off("SIGWINCH", listener);
  },
  write(name, bytes) {
    const stream = process[name];
    // Nobody reads any more: the program in the machine goes on as it does when its output is thrown away.
    if (stream.destroyed || stream.listenerCount("error") === 0) stream.on("error", () => undefined);
    if (stream.destroyed || stream.write(bytes)) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        stream.off("drain", done).off("close", done).off("error", done);
        resolve();
      };
      stream.on("drain", done).on("close", done).on("error", done);
    });
  },
};

/** Undefined for a pipe, although Node's types say otherwise. */
function isTerminal({ isTTY }: { readonly isTTY?: boolean }): boolean {
  return isTTY === true;
}
