/**
 * What one command may use of a model, or a server in a day: tokens, and money where the provider says what a request costs. A request is counted before
 * it is sent, at the most it can use, so that requests at the same time do not pass the limit together.
 */
import { ModelFault } from "./model-fault.ts";

/** The longest answer; composite actions that do one thing are far shorter. */
export const MAX_ANSWER_TOKENS = 4096;

const CHARACTERS_PER_TOKEN = 3;
const DAY_MS = 24 * 3600_000;

export interface Budget {
  readonly tokensUsed: number;
  readonly spentUsd: number;
  /** Throws a `ModelFault` of kind `limit`. Without `settle` the request counts for the most it could use. */
  reserve(characters: number): Reservation;
}

export interface Reservation {
  /** Safe to call once. */
  settle(tokens: number, costUsd: number | undefined): void;
}

/** `now` in ms. */
export function createBudget(tokenLimit: number, spendLimitUsd: number | undefined, now: () => number): Budget {
  let dayStartedMs = now();
  /** Of the whole process, and of those what came before this day. */
  let [tokensUsed, spentUsd] = [0, 0];
  let [earlierTokens, earlierUsd] = [0, 0];
  return {
    get tokensUsed() {
      return tokensUsed;
    },
    get spentUsd() {
      return spentUsd;
    },
    reserve(characters) {
      if (now() - dayStartedMs >= DAY_MS) [dayStartedMs, earlierTokens, earlierUsd] = [now(), tokensUsed, spentUsd];
      const most = Math.ceil(characters / CHARACTERS_PER_TOKEN) + MAX_ANSWER_TOKENS;
      if (tokensUsed - earlierTokens + most > tokenLimit) {
        throw new ModelFault("limit", `the limit of ${tokenLimit} tokens is reached`);
      }
      if (spendLimitUsd !== undefined && spentUsd - earlierUsd >= spendLimitUsd) {
        throw new ModelFault("limit", `the limit of ${spendLimitUsd} USD is reached`);
      }
      tokensUsed += most;
      return {
        settle(tokens, costUsd) {
          tokensUsed += tokens - most;
          spentUsd += costUsd ?? 0;
        },
      };
    },
  };
}
