/** What an author's expression does wrong, as a value: for whoever turns it into a diagnostic or the end of a job. */
import { ExpressionError } from "./expression-error.ts";

export type OrRefused<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "refused"; readonly message: string };

/** Catches `ExpressionError` and nothing else. */
export function orRefused<T>(work: () => T): OrRefused<T> {
  try {
    return { kind: "value", value: work() };
  } catch (error) {
    if (error instanceof ExpressionError) return { kind: "refused", message: error.message };
    throw error;
  }
}
