/**
 * `hearth run --watch`: runs, waits for a change in the repository, runs again. A change during a run waits for its end. Ctrl-C
 * during a run cancels that (`run-all.ts`); while nothing runs it ends the command, with the exit code of the last run.
 */
import { EngineError } from "../lib/engine-error.ts";
import { plainText } from "./display-text.ts";
import { exitCodeOfError } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { reportError } from "./report-error.ts";
import { sameKeyMs } from "./run-all.ts";
import type { Terminal } from "./terminal.ts";

/** What one run came to. */
export interface RunOnce {
  readonly code: ExitCode;
  /** Absolute path of the repository's root. */
  readonly repository: string;
}

const SHOWN_PATHS = 5;

/** What is wrong with the first run's selection is thrown; later it is said, since the next change may put it right. */
export async function runOnChanges(
  hearth: Hearth,
  terminal: Terminal,
  runOnce: (terminal: Terminal) => Promise<RunOnce>,
): Promise<ExitCode> {
  let interruptedAtMs = Number.NEGATIVE_INFINITY;
  const noticing: Terminal = {
    ...terminal,
    onInterrupt: (listener) =>
      terminal.onInterrupt(() => {
        interruptedAtMs = terminal.now();
        listener();
      }),
  };
  // The key that has cancelled the run, passed on once more by npm, is not meant for what comes after the run.
  const isSameKey = (): boolean => terminal.now() - interruptedAtMs < sameKeyMs;
  const first = await runOnce(noticing);
  let { code } = first;
  const changes = collectChanges();
  using watch = await hearth.watch(first.repository, { onChange: changes.add, onError: changes.fail });
  for (;;) {
    const waiting = `Waiting for changes in ${plainText(first.repository)}. Ctrl-C ends.\n`;
    const paths = await nextChange(terminal, changes, { waiting, isSameKey });
    if (paths === undefined) return code;
    terminal.err.write(`\n${changedText(paths)}\n`);
    code = await runOrSay(terminal, () => runOnce(noticing));
  }
}

async function runOrSay(terminal: Terminal, runOnce: () => Promise<RunOnce>): Promise<ExitCode> {
  try {
    return (await runOnce()).code;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    reportError(terminal.err, error);
    return exitCodeOfError(error);
  }
}

interface Changes {
  readonly add: (paths: readonly string[]) => void;
  /** Nothing more will be heard: whoever waits is thrown this. */
  readonly fail: (error: unknown) => void;
  /** What has changed since it was last asked; empty: nothing. */
  readonly take: () => readonly string[];
  readonly onAdd: (listener: (() => void) | undefined) => void;
}

function collectChanges(): Changes {
  let collected = new Set<string>();
  let failure: { readonly error: unknown } | undefined;
  let listener: (() => void) | undefined;
  return {
    add(paths) {
      for (const path of paths) collected.add(path);
      listener?.();
    },
    fail(error) {
      failure = { error };
      listener?.();
    },
    take() {
      if (failure !== undefined) throw failure.error;
      const paths = [...collected];
      collected = new Set();
      return paths;
    },
    onAdd: (next) => void (listener = next),
  };
}

/** Undefined: Ctrl-C. */
async function nextChange(
  terminal: Terminal,
  changes: Changes,
  { waiting, isSameKey }: { readonly waiting: string; readonly isSameKey: () => boolean },
): Promise<readonly string[] | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[] | undefined>();
  const stopListening = terminal.onInterrupt(() => {
    if (!isSameKey()) resolve(undefined);
  });
  changes.onAdd(() => {
    try {
      resolve(changes.take());
    } catch (error) {
      reject(error);
    }
  });
  // Said when it is true: who reads it may press Ctrl-C at once.
  terminal.err.write(waiting);
  try {
    const already = changes.take();
    return already.length > 0 ? already : await promise;
  } finally {
    changes.onAdd(undefined);
    stopListening();
  }
}

function changedText(paths: readonly string[]): string {
  const shown = paths.slice(0, SHOWN_PATHS).map(plainText).join(", ");
  return `Changed: ${shown}${paths.length > SHOWN_PATHS ? ` and ${paths.length - SHOWN_PATHS} more` : ""}`;
}
