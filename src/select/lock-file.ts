/**
 * `.hearth/lock.yml`: what every reference to another repository meant when somebody looked, for people to review. A reference
 * that has come to mean something else stops the run (SECURITY-RELIABILITY A23). Written whole by `hearth lock`, sorted, so that
 * a change is seen as one.
 */
import { lstatSync } from "node:fs";
import { lstat, mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import * as z from "zod/mini";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { EngineError } from "../lib/engine-error.ts";
import { readFileWithin } from "../lib/read-file-within.ts";
import { READ_LIMITS } from "../workflow/limits.ts";
import { parseYaml } from "../workflow/parse-yaml.ts";
import { LOCK_FILE } from "./lock.ts";
import type { Translation } from "../translate/translation.ts";
import type { Lock } from "./lock.ts";

/** Undefined where there is none. Throws BAD_CONFIG for one that cannot be used: its pins would be passed over. */
export function readLock(root: string): Lock | undefined {
  const path = join(root, LOCK_FILE);
  // A link that leads nowhere is no missing file.
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  try {
    return parseLock(readFileWithin(path, MAX_LOCK_BYTES, root).toString("utf8"));
  } catch (error) {
    if (!(error instanceof Error && "code" in error) || error instanceof EngineError) throw error;
    throw new EngineError("BAD_CONFIG", `Cannot use ${path}: ${error.message}`, { cause: error });
  }
}

export function parseLock(text: string): Lock {
  const hint = "Get it back from git, or write it anew with hearth lock.";
  const yaml = parseYaml(LOCK_FILE, text, READ_LIMITS);
  if (yaml.kind === "refused") {
    const lines = yaml.diagnostics.map(formatDiagnostic);
    throw new EngineError("BAD_CONFIG", ["Cannot use the lock file:", ...lines].join("\n"), { hint });
  }
  const parsed = LockDocument.safeParse(yaml.document.toJS());
  if (parsed.success) {
    const { uses, translations } = parsed.data;
    return { uses: uses ?? {}, ...(translations ? { translations: translations.map(translationOfEntry) } : {}) };
  }
  const message = `Cannot use ${LOCK_FILE}: ${faultOf(parsed.error.issues[0])}`;
  throw new EngineError("BAD_CONFIG", message, { hint });
}

/** The same for the same references, in whatever order they were found. */
export function formatLock({ uses, translations = [] }: Lock): string {
  const sorted = sortedRecord(uses, ({ commit, files }) => ({ commit, files: sortedRecord(files, (hash) => hash) }));
  const steps = translations.map(entryOfTranslation).toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  const document = { version: 1, uses: sorted, ...(steps.length === 0 ? {} : { translations: steps }) };
  const body = stringify(document, { lineWidth: 0, blockQuote: "literal" });
  return `# Written by \`hearth lock\` and \`hearth translate\`: what the \`uses:\` of this repository mean. Review a change as you would review code.\n${body}`;
}

/** Whole or not at all. */
export async function writeLock(root: string, lock: Lock): Promise<void> {
  const path = join(root, LOCK_FILE);
  const directory = dirname(path);
  await mkdir(directory, { recursive: true });
  // A link in a stranger's repository would have us write elsewhere.
  if (!(await lstat(directory)).isDirectory()) {
    throw new EngineError("BAD_CONFIG", `Cannot write ${path}: ${directory} is a link`);
  }
  const temporary = `${path}.${process.pid}.new`;
  await writeFile(temporary, formatLock(lock), { flag: "wx" });
  await rename(temporary, path);
}

const MAX_LOCK_BYTES = 4 << 20;

const hash = z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/, "expected sha256: and 64 digits"));
const commit = z.string().check(z.regex(/^[0-9a-f]{40}$/, "expected 40 digits"));

const TranslationEntry = z.strictObject({
  action: z.string(),
  by: z.union([z.strictObject({ rule: z.string() }), z.strictObject({ model: z.string(), prompt: z.string() })]),
  commit: z.optional(commit),
  manifest: z.optional(hash),
  step: z.optional(hash),
  translation: z.string(),
});
type TranslationEntry = z.infer<typeof TranslationEntry>;

const LockDocument = z.strictObject({
  version: z.literal(1, "expected version 1; a newer Hearth wrote it"),
  uses: z.nullish(
    z.record(
      z.string(),
      z.strictObject({
        commit,
        files: z.record(z.string(), hash),
      }),
    ),
  ),
  translations: z.nullish(z.array(TranslationEntry)),
});

function translationOfEntry({ action, by, commit: sha, manifest, step, translation }: TranslationEntry): Translation {
  const who: Translation["by"] = "rule" in by ? { kind: "rule", ...by } : { kind: "model", ...by };
  return { action, by: who, sha, manifestHash: manifest, stepHash: step, manifest: translation };
}

function entryOfTranslation({ action, by, sha, manifestHash, stepHash, manifest }: Translation): TranslationEntry {
  return {
    action,
    by: by.kind === "rule" ? { rule: by.rule } : { model: by.model, prompt: by.prompt },
    ...(sha === undefined ? {} : { commit: sha }),
    ...(manifestHash === undefined ? {} : { manifest: manifestHash }),
    ...(stepHash === undefined ? {} : { step: stepHash }),
    translation: manifest,
  };
}

function sortKey({ action, step = "" }: TranslationEntry): string {
  return `${action} ${step}`;
}

function faultOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return "not a lock file";
  const reason = issue.code === "unrecognized_keys" ? `there is no key ${issue.keys.join(", ")} here` : issue.message;
  return [...(issue.path.length === 0 ? [] : [issue.path.map(String).join(" > ")]), reason].join(": ");
}

function sortedRecord<T, U>(record: { readonly [key: string]: T }, value: (entry: T) => U): { [key: string]: U } {
  const keys = Object.keys(record).toSorted((a, b) => (a < b ? -1 : 1));
  return Object.fromEntries(keys.flatMap((key) => (record[key] === undefined ? [] : [[key, value(record[key])]])));
}
