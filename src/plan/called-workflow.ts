/** The file that a job calls, as planning asks for it: found by the edges before planning, since planning reads no files. */
import type { ReadResult } from "../workflow/read-workflow.ts";
import type { WorkflowOrigin } from "./plan.ts";

export type CalledWorkflow =
  | {
      readonly kind: "found";
      /** As diagnostics name the file: `.github/workflows/x.yml`, or `owner/name/.github/workflows/x.yml@ref`. */
      readonly path: string;
      readonly read: ReadResult;
      readonly origin: WorkflowOrigin;
    }
  /** It is not known here, and may well be elsewhere. `message` is a sentence with what to do. */
  | { readonly kind: "missing"; readonly message: string }
  /** There is none, wherever it runs: the reference is malformed, or the repository itself has no such file. */
  | { readonly kind: "invalid"; readonly message: string };

/** `uses` as written; `caller` is where the calling file is from. */
export type CalledWorkflows = (uses: string, caller: WorkflowOrigin) => CalledWorkflow;
