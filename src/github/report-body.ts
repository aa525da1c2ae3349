/** What the reporter puts into the outbox and the sender takes out: the whole of a state, so that it can be sent without the ones before. */
import { z } from "zod";

const annotation = z.object({
  path: z.string(),
  start_line: z.int(),
  end_line: z.int(),
  start_column: z.int().optional(),
  end_column: z.int().optional(),
  annotation_level: z.enum(["notice", "warning", "failure"]),
  message: z.string(),
  title: z.string().optional(),
});

/** Members as GitHub names them. */
const checkRun = z.object({
  fields: z.object({
    name: z.string(),
    head_sha: z.string(),
    /** Finds it again; `report-id.ts`. */
    external_id: z.string(),
    details_url: z.string().optional(),
    status: z.enum(["queued", "in_progress", "completed"]),
    conclusion: z.enum(["success", "failure", "cancelled", "skipped", "action_required"]).optional(),
    started_at: z.string().optional(),
    completed_at: z.string().optional(),
    output: z.object({ title: z.string(), summary: z.string(), text: z.string().optional() }),
    actions: z.array(z.object({ label: z.string(), description: z.string(), identifier: z.string() })),
  }),
  /** All of the check run, in their order. */
  annotations: z.array(annotation),
});

const status = z.object({
  sha: z.string(),
  state: z.enum(["error", "failure", "pending", "success"]),
  description: z.string(),
  context: z.string(),
  target_url: z.string().optional(),
});

const comment = z.object({
  pullRequest: z.int(),
  /** What the line is of; a later run of the same replaces it, an earlier one never does. */
  label: z.string(),
  run: z.int(),
  /** Markdown. */
  line: z.string(),
});

export type CheckRunBody = z.infer<typeof checkRun>;
export type StatusBody = z.infer<typeof status>;
export type CommentBody = z.infer<typeof comment>;
export type Annotation = z.infer<typeof annotation>;

/** Throws for a body of another version of Hearth. */
export const readCheckRunBody = (json: string): CheckRunBody => checkRun.parse(JSON.parse(json));
export const readStatusBody = (json: string): StatusBody => status.parse(JSON.parse(json));
export const readCommentBody = (json: string): CommentBody => comment.parse(JSON.parse(json));
