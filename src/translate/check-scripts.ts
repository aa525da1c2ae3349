/**
 * What can be told of a script by reading it: its syntax, the hosts it names, and whether it hides what it does. A script can still
 * make up a name while it runs; what a machine reaches is for the machine's network policy, these checks are for the reviewer.
 */
import { runCommand } from "../lib/run-command.ts";
import type { TranslationRefusal } from "./refusal.ts";

const SYNTAX_WITHIN_MS = 10_000;

/** Scripts that bash has read in this process: an answer is checked by who asks for it and by who takes it. */
const wellRead = new Set<string>();
const MAX_WELL_READ = 2_000;

/** Undefined: nothing wrong. Also where this host has no bash. */
export async function faultOfSyntax(where: string, script: string): Promise<TranslationRefusal | undefined> {
  if (wellRead.has(script)) return undefined;
  const fault = await askBash(where, script);
  if (fault === undefined && wellRead.size < MAX_WELL_READ) wellRead.add(script);
  return fault;
}

async function askBash(where: string, script: string): Promise<TranslationRefusal | undefined> {
  try {
    const signal = AbortSignal.timeout(SYNTAX_WITHIN_MS);
    // No variable of ours: BASH_ENV would be run.
    const { code, stderr } = await runCommand(["bash", "-n"], {
      input: script,
      env: { PATH: process.env["PATH"] },
      signal,
    });
    if (code === 0) return undefined;
    return { check: "syntax", reason: `${where}: ${stderr.trim().split("\n", 1)[0] ?? "bash cannot read it"}` };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    if (error instanceof Error && error.name === "TimeoutError") {
      return { check: "syntax", reason: `${where}: bash did not read it within ${SYNTAX_WITHIN_MS / 1000} s` };
    }
    throw error;
  }
}

export function hostFaults(where: string, script: string, allowed: ReadonlySet<string>): readonly TranslationRefusal[] {
  return hostsIn(script)
    .filter((host) => !allowed.has(host))
    .map((host) => {
      const reason = host === MADE_UP ? "it names a host that only the run knows" : `it names the host ${host}`;
      return { check: "hosts", reason: `${where}: ${reason}` };
    });
}

/** Stands for a host whose name is put together in the script. */
const MADE_UP = "$";

/** Ends of names that are seldom those of files. `.sh`, `.py`, `.rs` and `.md` are countries' too, and count only in addresses. */
const COMMON_ENDS =
  "com|org|net|io|dev|ai|app|cloud|xyz|info|biz|edu|gov|site|online|top|tech|me|co|us|uk|de|fr|nl|eu|ru|cn|jp|kr|br|in|ws|to|su|click|link|run";

const ADDRESS = /\b[a-z][a-z0-9+.-]*:\/\/(?:[^\s/"'`<>()|&;$@]*@)?(\[[0-9a-f:.]*\]|[a-z0-9._-]*)([$`{*]?)/giu;
const LOGIN = /\b[\w.-]+@([a-z0-9][a-z0-9.-]*\.[a-z]{2,}):/giu;
const DEVICE = /\/dev\/(?:tcp|udp)\/([^/\s"']*)/giu;
const NUMBERS = /(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])/gu;
const NAME = new RegExp(
  String.raw`(?<![\w./$-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:${COMMON_ENDS})(?![\w.-]*\w)`,
  "giu",
);

/** Each once, in lower case. */
export function hostsIn(text: string): readonly string[] {
  const found = new Set<string>();
  const add = (host: string): void => void (isOwnHost(host) || found.add(host.toLowerCase().replace(/\.$/u, "")));
  for (const [, host = "", after = ""] of text.matchAll(ADDRESS)) {
    if (host === "" && after === "") continue;
    add(after === "" ? host : MADE_UP);
  }
  for (const [, host = ""] of text.matchAll(LOGIN)) add(host);
  for (const [, host = ""] of text.matchAll(DEVICE)) add(/^[\w.-]+$/u.test(host) ? host : MADE_UP);
  for (const [host] of text.matchAll(NUMBERS)) add(host);
  for (const [host] of text.matchAll(NAME)) add(host);
  return [...found];
}

function isOwnHost(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[?::1\]?)$/iu.test(host);
}

const HIDING: readonly (readonly [RegExp, string])[] = [
  [/(?:^|[\s;|&(`])eval\s/mu, "it runs text that it makes (eval)"],
  [/\bbase64\b[^\n|;]*\s(?:-d|-D|--decode)\b/u, "it decodes base64"],
  [/\bopenssl\s+(?:enc|base64)\b/u, "it decodes with openssl"],
  [/\bxxd\b[^\n|;]*\s-r/u, "it decodes hexadecimal digits"],
  [/\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\[0-3][0-7]{2}/iu, "it writes characters as numbers"],
  [/(?:\||;|&&)\s*rev\b/u, "it reverses text"],
  [/\bBASH_ENV\b|\bLD_PRELOAD\b|\bNODE_OPTIONS\b/u, "it changes what later programs load"],
];

export function hidingFaults(where: string, script: string): readonly TranslationRefusal[] {
  return HIDING.flatMap(([pattern, reason]) =>
    pattern.test(script) ? [{ check: "hidden" as const, reason: `${where}: ${reason}` }] : [],
  );
}
