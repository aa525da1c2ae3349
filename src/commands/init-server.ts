/**
 * `hearth init server`: a file of settings with a secret of its own, and what to type on GitHub. Nothing is asked of GitHub, and a
 * file that is there is not touched.
 */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Terminal } from "./terminal.ts";

export interface InitServerOptions {
  readonly output: string;
  readonly publicUrl?: string;
}

/** Those that start workflows, by what a webhook's page calls them. */
const EVENTS = [
  "Pushes",
  "Pull requests",
  "Pull request reviews",
  "Pull request review comments",
  "Issues",
  "Issue comments",
  "Releases",
  "Branch or tag creation",
  "Branch or tag deletion",
  "Deployments",
  "Deployment statuses",
  "Labels",
  "Milestones",
  "Merge groups",
  "Repository dispatches",
  "Check runs",
  "Check suites",
  "Workflow dispatches",
];
const PERMISSIONS = "Checks: write, Commit statuses: write, Contents: read, Pull requests: write, Metadata: read";

export async function initServer({ out, err }: Terminal, options: InitServerOptions): Promise<ExitCode> {
  const file = resolve(options.output);
  const secret = randomBytes(32).toString("hex");
  const url = options.publicUrl?.replace(/\/+$/u, "");
  try {
    await writeFile(file, settingsOf(secret, url), { flag: "wx", mode: 0o600 });
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    const reason = isThere ? "it is there already" : error instanceof Error ? error.message : String(error);
    throw new EngineError("BAD_USAGE", `Cannot write ${file}: ${reason}`, { cause: error });
  }
  err.write(`wrote ${plainText(file)}, readable by you alone\n`);
  const lines = [
    "On GitHub, Settings > Webhooks > Add webhook:",
    `  Payload URL   ${url ?? "https://YOUR-HOST"}/webhook`,
    "  Content type  application/json",
    `  Secret        ${secret}`,
    `  Events        ${EVENTS.join(", ")}`,
    "Or a GitHub App, which reports checks with annotations and needs no personal token:",
    `  Webhook       the same URL and secret`,
    `  Permissions   ${PERMISSIONS}`,
    "  Then GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE in the file.",
    "Start it:",
    `  sh -ac '. "${plainText(file)}"; exec hearth serve'`,
  ];
  out.write(`${lines.join("\n")}\n`);
  return exitCode.success;
}

function settingsOf(secret: string, url: string | undefined): string {
  return `# What hearth serve takes from its environment; docs/server.md explains each.
GITHUB_WEBHOOK_SECRET=${secret}
HOST=127.0.0.1
PORT=3000
${url === undefined ? "#HEARTH_PUBLIC_URL=https://ci.example.org" : `HEARTH_PUBLIC_URL=${url}`}
# Who reports to GitHub and reads private repositories: a token, or an App.
#GITHUB_TOKEN=
#GITHUB_APP_ID=
#GITHUB_APP_PRIVATE_KEY_FILE=
# Which repositories of GitHub are run: owner/name or owner/*, with commas. An App needs it.
#HEARTH_REPOSITORIES=
# Repositories of this host: one, or a directory of them.
#REPOSITORY_PATH=
#HEARTH_DRAIN_SECONDS=300
#HEARTH_KEEP_DAYS=90
`;
}
