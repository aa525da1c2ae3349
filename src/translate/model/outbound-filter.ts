/**
 * The last look at what is about to be sent to a model: it refuses, and hides nothing, since a text that had a secret in it was
 * built wrongly. Looked for are the secrets that are known, in the forms in which a log hides them, and texts that look like
 * credentials. Source: SECURITY-RELIABILITY A21.
 */
import { ModelFault } from "./model-fault.ts";

/** Whether a text holds a secret that this process knows, in any of the forms in which a log hides it: `joblog/secret-text.ts`. */
export type HoldsSecret = (text: string) => boolean;

const LOOKS_SECRET: readonly (readonly [RegExp, string])[] = [
  [/\bgh[opsur]_[A-Za-z0-9]{20,}/u, "a token of GitHub"],
  [/\bgithub_pat_\w{20,}/u, "a token of GitHub"],
  [/\bglpat-[\w-]{16,}/u, "a token of GitLab"],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/u, "a key of AWS"],
  [/\bxox[abeoprs]-[\w-]{10,}/u, "a token of Slack"],
  [/\bAIza[\w-]{35}/u, "a key of Google"],
  [/\bsk-[\w-]{20,}/u, "a key of a model's provider"],
  [/\b[rs]k_live_\w{16,}/u, "a key of Stripe"],
  [/\bnpm_[A-Za-z0-9]{30,}/u, "a token of npm"],
  [/-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY/u, "a private key"],
  [/\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/u, "a JSON web token"],
];

/** Throws a `ModelFault` of kind `secret` that says what was found, not the text. */
export function refuseSecrets(texts: readonly string[], holdsSecret: HoldsSecret): void {
  for (const text of new Set(texts.flatMap(readingsOf))) {
    if (holdsSecret(text)) {
      throw new ModelFault("secret", "what would be sent holds a secret; nothing was sent");
    }
    const looks = LOOKS_SECRET.find(([pattern]) => pattern.test(text));
    if (looks !== undefined) {
      throw new ModelFault("secret", `what would be sent holds what looks like ${looks[1]}; nothing was sent`);
    }
  }
}

const MAX_UNQUOTINGS = 3;

/** The text, and what stands in it when the backslashes of a text within a text are taken away, once and again. */
function readingsOf(text: string): readonly string[] {
  const readings = [text];
  for (let reading = text; readings.length <= MAX_UNQUOTINGS; readings.push(reading)) {
    const next = reading.replaceAll(/\\(?:u([\da-f]{4})|(.))/giu, (_whole, code?: string, character = "") =>
      code === undefined ? (SHORT_ESCAPES.get(character) ?? character) : String.fromCharCode(Number.parseInt(code, 16)),
    );
    if (next === reading) break;
    reading = next;
  }
  return readings;
}

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

/** The body as it is, and each text in it as it was before it was written as JSON. */
export function textsOfBody(body: string): readonly string[] {
  const texts = [body];
  try {
    JSON.parse(body, (key: string, value: unknown) => {
      texts.push(key);
      if (typeof value === "string") texts.push(value);
      return value;
    });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return texts;
}
