/**
 * `node scripts/model-server.ts`: a real model server with a model of random weights, for the suite `model`: llama.cpp, built from its
 * package, and 520 KB that speak nonsense. Once for each machine, into the cache directory; four minutes on two free cores. Safe to run again;
 * ends with 1 and the reason when it cannot.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages } from "../src/setup/apt.ts";
import { MODEL_SERVER_DIRECTORY, modelServerFiles } from "../test/model/server/nonsense-server.ts";
import { runSteps } from "./steps.ts";

const PACKAGES = ["python3-venv", "python3-dev", "gcc", "g++", "make"];
const MAKER = join(import.meta.dirname, "..", "test", "model", "server", "tiny.py");

const { python, model } = modelServerFiles(MODEL_SERVER_DIRECTORY);
if (!existsSync(python) || !existsSync(model)) process.exitCode = await build();

async function build(): Promise<number> {
  await ensurePackages(PACKAGES, { progress: say, signal: new AbortController().signal });
  rmSync(MODEL_SERVER_DIRECTORY, { recursive: true, force: true });
  const making = `${MODEL_SERVER_DIRECTORY}/making`;
  mkdirSync(making, { recursive: true });
  const code = await runSteps([
    {
      name: "a Python for the model's server",
      argv: ["python3", "-m", "venv", join(MODEL_SERVER_DIRECTORY, "python")],
    },
    {
      name: "the model's server",
      argv: [python, "-m", "pip", "install", "--quiet", "llama-cpp-python[server]", "gguf", "numpy"],
    },
    { name: "the model", argv: ["sh", "-c", 'cd "$1" && exec "$2" "$3"', "sh", making, python, MAKER] },
  ]);
  // Last, and at once: the model's being there says that all is.
  if (code === 0) renameSync(join(making, "tiny.gguf"), model);
  rmSync(making, { recursive: true, force: true });
  return code;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
