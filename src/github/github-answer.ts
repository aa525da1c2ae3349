/** What of an answer of GitHub's is used, held against what is documented. */
import type { z } from "zod";
import { GithubProblem } from "./github-problem.ts";

/** Throws `GithubProblem` unavailable: such an answer says nothing of whether the request was carried out. */
export function readAnswer<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  throw new GithubProblem("GitHub's answer is not as documented", undefined, {
    kind: "unavailable",
    retryAfterMs: undefined,
  });
}
