/** A repository at one commit, wherever it was found, and how one is read with git. */
import type { Readable } from "node:stream";
import { archiveCommit } from "../git/archive.ts";
import { readFileAtCommit, readFirstFile } from "../git/file-at-commit.ts";
import type { FileContent, GitPlace } from "../git/file-at-commit.ts";
import { git } from "../git/git.ts";
import type { WorkflowOrigin } from "../plan/plan.ts";
import { checkedArchive } from "./checked-archive.ts";
import type { RemoteReference } from "./workflow-reference.ts";

export interface RepositoryTree {
  readonly from: Omit<WorkflowOrigin, "path">;
  readFile(path: string, maxBytes: number): Promise<FileContent>;
  /** The first of these files that there is. */
  readFirst(paths: readonly string[], maxBytes: number): Promise<FirstFile | undefined>;
  /** As `ActionSource.open`. */
  archive(): Promise<Readable>;
  /** Whether a tag or branch of the repository leads to the commit; undefined where that is not known. */
  isReachable(): Promise<boolean | undefined>;
}

export interface FirstFile {
  readonly path: string;
  readonly content: FileContent;
}

/** The commit must be there with the files that are asked for. */
export function gitTree(place: GitPlace, { owner, name, ref }: RemoteReference, sha: string): RepositoryTree {
  const repository = `${owner}/${name}`;
  return {
    from: { repository, ref, sha },
    readFile: (path, maxBytes) => readFileAtCommit(place, sha, path, maxBytes),
    readFirst: (paths, maxBytes) => readFirstFile(place, sha, paths, maxBytes),
    archive: async () =>
      checkedArchive({ tar: await archiveCommit(place, sha), directory: undefined, label: `${repository} at ${sha}` }),
    async isReachable() {
      const args = ["for-each-ref", "--count=1", `--contains=${sha}`, "--", "refs/heads", "refs/tags", "refs/remotes"];
      return (await git(args, place)).length > 0;
    },
  };
}
