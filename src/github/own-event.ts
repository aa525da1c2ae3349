/**
 * Whether GitHub tells of what this server itself has said there: its check runs, statuses and comments. On GitHub what is done with a
 * job's GITHUB_TOKEN starts nothing, so that no workflow keeps itself going; here what the server says starts nothing. Pure.
 */
import { z } from "zod";
import { isOfApp, ofApp } from "./of-app.ts";

export interface OwnMarks {
  /** Of our App; undefined where there is none. */
  readonly appId: string | undefined;
  /** A run of this server has this status on this commit. */
  readonly hasStatus: (repository: string, sha: string, context: string) => boolean;
  /** The comment with this text is one of ours. */
  readonly hasComment: (repository: string, issue: number, text: string) => boolean;
}

const repository = z.object({ full_name: z.string() });
const check = z.object({ check_run: ofApp.optional(), check_suite: ofApp.optional() });
const status = z.object({ repository, sha: z.string(), context: z.string() });
const comment = z.object({
  repository,
  issue: z.object({ number: z.number() }),
  comment: z.object({ body: z.string().nullish() }),
});

export function isOwnEvent(event: string, payload: unknown, { appId, hasStatus, hasComment }: OwnMarks): boolean {
  switch (event) {
    case "check_run":
    case "check_suite": {
      const { data } = check.safeParse(payload);
      const said = data?.[event];
      return said !== undefined && isOfApp(said, appId);
    }
    case "status": {
      const { data } = status.safeParse(payload);
      return data !== undefined && hasStatus(data.repository.full_name, data.sha, data.context);
    }
    case "issue_comment": {
      const { data } = comment.safeParse(payload);
      const text = data?.comment.body ?? "";
      return data !== undefined && hasComment(data.repository.full_name, data.issue.number, text);
    }
    default:
      return false;
  }
}
