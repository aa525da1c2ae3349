/** A terminal for tests: remembers what was written, ticks when told to, and interrupts when told to. */
import picocolors from "picocolors";
import type { Terminal } from "./terminal.ts";

export interface FakeTerminal extends Terminal {
  /** Keys of the person; nothing happens while nobody takes them. */
  press(keys: string): Promise<void>;
  stdout(): string;
  stderr(): string;
  /** Ctrl-C. */
  interrupt(): void;
  /** Lets time pass and calls what is due. */
  advance(durationMs: number): void;
  resize(columns: number, rows: number): void;
  /** Functions still waiting for a tick or an interrupt: nothing may be left behind. */
  listeners(): number;
}

export interface FakeTerminalOptions {
  readonly live?: boolean;
  readonly colors?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  /** What the person types when asked for a secret; without it nobody can be asked. */
  readonly typed?: string;
  /** There is a person whose keys can be taken. */
  readonly keyboard?: boolean;
  /** What comes on standard input; without it that is a terminal. */
  readonly input?: string;
  readonly startAt?: string;
}

export function fakeTerminal(options: FakeTerminalOptions = {}): FakeTerminal {
  const colors = picocolors.createColors(options.colors ?? false);
  let out = "";
  let err = "";
  let nowMs = Date.parse(options.startAt ?? "2026-11-22T10:00:00.000Z");
  let size = { columns: 80, rows: 24 };
  const interrupts = new Set<() => void>();
  const keyboards = new Set<(bytes: Buffer) => Promise<void>>();
  const resizes = new Set<() => void>();
  const timers = new Set<{ readonly intervalMs: number; readonly tick: () => void; nextMs: number }>();

  return {
    out: { colors, write: (text) => void (out += text) },
    err: { colors, write: (text) => void (err += text) },
    live: options.live ?? false,
    size: () => size,
    now: () => nowMs,
    every(intervalMs, tick) {
      const timer = { intervalMs, tick, nextMs: nowMs + intervalMs };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    askSecret: async () => options.typed,
    readInput: async () => options.input,
    screen: {
      hasKeyboard: options.keyboard ?? false,
      takeKeyboard(onKeys) {
        keyboards.add(onKeys);
        return () => void keyboards.delete(onKeys);
      },
      onResize(listener) {
        resizes.add(listener);
        return () => void resizes.delete(listener);
      },
      write(stream, bytes) {
        if (stream === "stdout") out += bytes.toString();
        else err += bytes.toString();
        return undefined;
      },
    },
    async press(keys) {
      for (const take of keyboards) await take(Buffer.from(keys));
    },
    environment: (name) => options.environment?.[name],
    onInterrupt(listener) {
      interrupts.add(listener);
      return () => void interrupts.delete(listener);
    },
    stdout: () => out,
    stderr: () => err,
    interrupt: () => interrupts.forEach((listener) => listener()),
    advance(durationMs) {
      const endMs = nowMs + durationMs;
      for (const timer of timers) {
        for (; timer.nextMs <= endMs; timer.nextMs += timer.intervalMs) {
          nowMs = timer.nextMs;
          timer.tick();
        }
      }
      nowMs = endMs;
    },
    resize(columns, rows) {
      size = { columns, rows };
      for (const listener of resizes) listener();
    },
    listeners: () => interrupts.size + timers.size + keyboards.size + resizes.size,
  };
}
