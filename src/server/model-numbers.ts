/** What planning asks of a model, as numbers for Prometheus. */
import type { ModelUse } from "../translate/model/model-translator.ts";
import type { MetricNumber } from "./metrics.ts";

/** `use`: undefined where nothing was asked for yet. */
export function modelNumbers(use: () => ModelUse | undefined): readonly MetricNumber[] {
  const number = (kind: MetricNumber["kind"], name: string, help: string, read: (use: ModelUse) => number) => ({
    kind,
    name,
    help,
    value: (): number => {
      const now = use();
      return now === undefined ? 0 : read(now);
    },
  });
  return [
    number("counter", "hearth_model_requests_total", "Requests to the model", ({ requests }) => requests),
    number("counter", "hearth_model_cache_hits_total", "Answers that were kept", ({ cacheHits }) => cacheHits),
    number("counter", "hearth_model_shared_total", "Questions that one on its way answered", ({ shared }) => shared),
    number("counter", "hearth_model_cache_faults_total", "Operations of caches that failed", (one) => one.cacheFaults),
    number(
      "counter",
      "hearth_model_tokens_total",
      "Tokens, at the most where the model did not say",
      (one) => one.tokens,
    ),
    number("gauge", "hearth_model_concurrency", "Requests that the model gets at once", (one) => one.concurrency),
  ];
}
