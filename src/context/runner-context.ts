/** The `runner` context. Source: ACTIONS-CONTRACT §1.2 and §1.4. */
import type { ObjectValue } from "../expression/ordered-object.ts";
import { mappingOf } from "./mapping.ts";

/** Paths are those inside the machine. */
export interface RunnerRecord {
  readonly name: string;
  readonly os: "Linux" | "macOS" | "Windows";
  readonly arch: "X86" | "X64" | "ARM" | "ARM64";
  readonly temp: string;
  readonly toolCache: string;
  readonly workspace: string;
  readonly debug: boolean;
}

/** `debug` is "1" or not there at all: actions test whether it is set. */
export function runnerContext(runner: RunnerRecord): ObjectValue {
  return mappingOf([
    ["os", runner.os],
    ["arch", runner.arch],
    ["name", runner.name],
    ["environment", "self-hosted"],
    ["temp", runner.temp],
    ["tool_cache", runner.toolCache],
    ["workspace", runner.workspace],
    ["debug", runner.debug ? "1" : undefined],
  ]);
}
