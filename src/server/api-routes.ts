/** What routes of the API have in common. */
import { z } from "@hono/zod-openapi";
import { ProblemShape } from "./api-shapes.ts";

export const RunId = z.object({
  id: z
    .string()
    .max(20)
    .regex(/^[a-z0-9]+$/u)
    .openapi({
      param: { name: "id", in: "path" },
      description: "Of the run, or of an attempt's record.",
      example: "42",
    }),
});

const problem = (description: string) => ({
  description,
  content: { "application/json": { schema: ProblemShape } },
});

export const problems = {
  400: problem("What was sent cannot be meant"),
  401: problem("No token, or one that is not known"),
  403: problem("The token's role does not allow it, or the request is another page's"),
  404: problem("There is none"),
} as const;

export const conflict = { 409: problem("Not in this state") } as const;
