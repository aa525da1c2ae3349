/**
 * Reads a problem matcher file (ACTIONS-CONTRACT §2.3; schema and messages as GitHub's runner, `IssueMatcher.cs`).
 * The file comes from the job and is not trusted: its size and numbers are bounded, and its expressions are compiled under a
 * deadline. Expressions are JavaScript's; .NET's `(?i)` is an error that names the matcher.
 */
import { array, boolean, int, maxLength, object, optional, pipe, regex, string, transform, union } from "zod/mini";
import { withinDeadline } from "./within-deadline.ts";

export const MAX_MATCHER_FILE_BYTES = 256 << 10;

const MAX_MATCHERS = 50;
const MAX_PATTERNS = 20;
const MAX_EXPRESSION_LENGTH = 4096;
const COMPILE_TIMEOUT_MS = 100;

export type MatcherProperty = (typeof PROPERTIES)[number];

export interface Matcher {
  readonly owner: string;
  /** Default, for lines that say none; `error` when the file says none. */
  readonly severity: "error" | "warning" | "notice";
  /** Default, for lines that say none. */
  readonly fromPath: string | undefined;
  /** At least one. All but the last set state for the next line, the last one makes the annotation. */
  readonly patterns: readonly MatcherPattern[];
}

export interface MatcherPattern {
  readonly expression: RegExp;
  /** Which group of the expression holds which property. */
  readonly groups: readonly (readonly [MatcherProperty, number])[];
  readonly loop: boolean;
}

export type MatcherFile =
  | { readonly kind: "matchers"; readonly matchers: readonly Matcher[] }
  | { readonly kind: "problem"; readonly message: string };

const PROPERTIES = ["file", "line", "column", "severity", "code", "message", "fromPath"] as const;

/** GitHub's JSON reader takes `"1"` for 1. */
const group = optional(union([int(), pipe(string().check(regex(/^\d{1,4}$/)), transform(Number))]));

const PatternSchema = object({
  regexp: optional(string().check(maxLength(MAX_EXPRESSION_LENGTH))),
  file: group,
  line: group,
  column: group,
  severity: group,
  code: group,
  message: group,
  fromPath: group,
  loop: optional(boolean()),
});

const FileSchema = object({
  problemMatcher: optional(
    array(
      object({
        owner: optional(string()),
        severity: optional(string()),
        fromPath: optional(string()),
        pattern: optional(array(PatternSchema).check(maxLength(MAX_PATTERNS))),
      }),
    ).check(maxLength(MAX_MATCHERS)),
  ),
});

type PatternText = (typeof PatternSchema)["_zod"]["output"];
type MatcherText = NonNullable<(typeof FileSchema)["_zod"]["output"]["problemMatcher"]>[number];

export function parseMatcherFile(content: Buffer): MatcherFile {
  try {
    return { kind: "matchers", matchers: readMatchers(content) };
  } catch (error) {
    if (error instanceof MatcherProblem) return { kind: "problem", message: error.message };
    throw error;
  }
}

/** Stays inside this file: the checks below read better when they need not return. */
class MatcherProblem extends Error {}

function readMatchers(content: Buffer): readonly Matcher[] {
  if (content.length > MAX_MATCHER_FILE_BYTES) {
    throw new MatcherProblem(`The file is larger than ${MAX_MATCHER_FILE_BYTES} bytes`);
  }
  const file = FileSchema.safeParse(parseJson(content));
  if (!file.success) {
    const [issue] = file.error.issues;
    throw new MatcherProblem(`${issue?.path.join(".") ?? "the file"}: ${issue?.message ?? "not a matcher file"}`);
  }
  const owners = new Set<string>();
  return (file.data.problemMatcher ?? []).map((text) => {
    const matcher = readMatcher(text);
    const owner = matcher.owner.toLowerCase();
    if (owners.has(owner)) throw new MatcherProblem(`Duplicate owner name '${matcher.owner}'`);
    owners.add(owner);
    return matcher;
  });
}

function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString("utf8").replace(/^\uFEFF/, ""));
  } catch (error) {
    if (error instanceof SyntaxError) throw new MatcherProblem(`Not JSON: ${error.message}`);
    throw error;
  }
}

function readMatcher(text: MatcherText): Matcher {
  const { owner, pattern: patterns = [] } = text;
  if (owner === undefined || owner === "") throw new MatcherProblem("Owner must not be empty");
  if (patterns.length === 0) throw new MatcherProblem(`Matcher '${owner}' does not contain any patterns`);
  const set = new Set<MatcherProperty>();
  const matcher = {
    owner,
    severity: readSeverity(owner, text.severity),
    fromPath: text.fromPath === "" ? undefined : text.fromPath,
    patterns: patterns.map((pattern, index) => {
      if (pattern.loop === true && (index === 0 || index !== patterns.length - 1)) {
        throw new MatcherProblem("Only the last pattern in a multiline matcher may set 'loop'");
      }
      return readPattern(owner, pattern, set);
    }),
  };
  if (!set.has("message")) throw new MatcherProblem("At least one pattern must set 'message'");
  return matcher;
}

function readSeverity(owner: string, text: string | undefined): Matcher["severity"] {
  const severity = parseSeverity(text ?? "");
  if (severity === undefined) {
    throw new MatcherProblem(`Matcher '${owner}' contains unexpected default severity '${text}'`);
  }
  return severity;
}

/** Empty means `error`; undefined for a word that is none of the three. */
export function parseSeverity(text: string): Matcher["severity"] | undefined {
  const word = text.toLowerCase();
  if (word === "") return "error";
  return word === "error" || word === "warning" || word === "notice" ? word : undefined;
}

/** `set` holds the properties that patterns before this one have set. */
function readPattern(owner: string, text: PatternText, set: Set<MatcherProperty>): MatcherPattern {
  const loop = text.loop === true;
  if (loop && text.message === undefined) throw new MatcherProblem("The loop pattern must set 'message'");
  const { expression, groupCount } = compile(owner, text.regexp ?? "");
  const groups: [MatcherProperty, number][] = [];
  for (const property of PROPERTIES) {
    const number = text[property];
    if (number === undefined) continue;
    if (set.has(property)) throw new MatcherProblem(`The property '${property}' is set twice`);
    if (number < 0 || number >= groupCount) {
      throw new MatcherProblem(`The property '${property}' is set to ${number} which is out of range`);
    }
    set.add(property);
    groups.push([property, number]);
  }
  return { expression, groups, loop };
}

function compile(owner: string, source: string): { expression: RegExp; groupCount: number } {
  try {
    const expression = new RegExp(source);
    // An alternative that always matches shows how many groups there are, without knowing a text that matches the rest.
    const groups = withinDeadline(COMPILE_TIMEOUT_MS, () => new RegExp(`${source}|`).exec("")?.length);
    if (groups?.result === undefined) {
      throw new MatcherProblem(`Matcher '${owner}': the expression takes too long on an empty line`);
    }
    return { expression, groupCount: groups.result };
  } catch (error) {
    if (error instanceof SyntaxError) throw new MatcherProblem(`Matcher '${owner}': ${error.message}`);
    throw error;
  }
}
