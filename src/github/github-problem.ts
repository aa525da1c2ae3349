/** Why GitHub did not do what it was asked to, in the one distinction that matters to who asked: when to ask again. */

export type GithubTrouble =
  /** Not before `retryAfterMs`: a rate limit, primary or secondary. It holds for everything that is asked. */
  | { readonly kind: "limited"; readonly retryAfterMs: number }
  /** No answer, a broken one, or 5xx: whether it was done is not known. */
  | { readonly kind: "unavailable"; readonly retryAfterMs: number | undefined }
  /** Credentials, rights or a place that is not there: only somebody's help or time changes it. */
  | { readonly kind: "denied" }
  /** What was asked cannot be done, now or later. */
  | { readonly kind: "refused" };

export class GithubProblem extends Error {
  override readonly name = "GithubProblem";
  /** HTTP status; undefined where there was no answer. */
  readonly status: number | undefined;
  readonly trouble: GithubTrouble;

  constructor(message: string, status: number | undefined, trouble: GithubTrouble, cause?: unknown) {
    super(message, { cause });
    this.status = status;
    this.trouble = trouble;
  }
}

/** An answer of GitHub's that is an error, as far as it is known. */
export interface FailedAnswer {
  readonly message: string;
  /** Undefined: no answer came. */
  readonly status: number | undefined;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | number | undefined>>;
}

/** Where GitHub says no time; its documentation asks for a minute at least. */
const UNSAID_LIMIT_MS = 60_000;
/** A clock that is wrong on either side must not silence reports for days. */
const MAX_WAIT_MS = 2 * 3600_000;
const MAX_MESSAGE = 500;

/** https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api */
export function githubProblem(
  { message, status, headers }: FailedAnswer,
  nowMs: number,
  cause?: unknown,
): GithubProblem {
  const text = message.slice(0, MAX_MESSAGE);
  const problem = (trouble: GithubTrouble): GithubProblem => new GithubProblem(text, status, trouble, cause);
  const retryAfterMs = saidWait(headers, nowMs);
  if (status === undefined || status >= 500 || status === 408) return problem({ kind: "unavailable", retryAfterMs });
  // A secondary limit may come as a 403 with nothing but its text.
  const isLimited =
    status === 429 ||
    (status === 403 && (retryAfterMs !== undefined || /secondary rate limit|abuse detection/i.test(message)));
  if (isLimited) return problem({ kind: "limited", retryAfterMs: retryAfterMs ?? UNSAID_LIMIT_MS });
  if (status === 401 || status === 403 || status === 404) return problem({ kind: "denied" });
  return problem({ kind: "refused" });
}

function saidWait(headers: FailedAnswer["headers"], nowMs: number): number | undefined {
  const retryAfter = String(headers["retry-after"] ?? "");
  if (/^\d{1,7}$/.test(retryAfter)) return bounded(Number(retryAfter) * 1000);
  const reset = String(headers["x-ratelimit-reset"] ?? "");
  if (String(headers["x-ratelimit-remaining"]) !== "0" || !/^\d{1,12}$/.test(reset)) return undefined;
  // One second more: GitHub's clock is not ours.
  return bounded(Number(reset) * 1000 - nowMs + 1000);
}

function bounded(waitMs: number): number {
  return Math.min(Math.max(waitMs, 0), MAX_WAIT_MS);
}
