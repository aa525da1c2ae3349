/**
 * What a saved machine can be restored by: all that its template depends on, kept beside it, because a state that fits by its form
 * and not by its kernel or processor goes on and is wrong.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { record, safeParse, string } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";
import type { TemplateParts } from "./template-store.ts";

const FILE = "identity.json";
const Identity = record(string(), string());

export async function writeIdentity(directory: string, parts: TemplateParts): Promise<void> {
  await writeFile(join(directory, FILE), JSON.stringify(parts), { mode: 0o600 });
}

/** Throws CHECKPOINT_UNUSABLE, which names what differs. */
export async function requireIdentity(directory: string, parts: TemplateParts): Promise<void> {
  const saved = await readIdentity(directory);
  const differing = [...new Set([...Object.keys(saved), ...Object.keys(parts)])].filter(
    (name) => saved[name] !== parts[name],
  );
  if (differing.length === 0) return;
  throw new EngineError(
    "CHECKPOINT_UNUSABLE",
    `Cannot restore the machine: it was saved with another ${differing.join(", ")} than this host has now`,
    { hint: "Run the workflow again: its checkpoints fit this host" },
  );
}

async function readIdentity(directory: string): Promise<Readonly<Record<string, string>>> {
  try {
    const parsed = safeParse(Identity, JSON.parse(await readFile(join(directory, FILE), "utf8")));
    if (parsed.success) return parsed.data;
  } catch {
    // Absent or cut: as one that says nothing.
  }
  throw new EngineError("CHECKPOINT_UNUSABLE", `Cannot restore the machine: ${directory} holds none`);
}
