/**
 * The process in which a stranger's files are read for the first time. One text at a time comes by stdin as a JSON line, and its path goes
 * back when it was borne; what cannot be borne ends this process and not the server. Started by `rehearse.ts`.
 */
import { createInterface } from "node:readline";
import { readManifest } from "../action/manifest.ts";
import { READ_LIMITS } from "../workflow/limits.ts";
import { parseYaml } from "../workflow/parse-yaml.ts";
import { readWorkflow } from "../workflow/read-workflow.ts";
import type { RehearsalText } from "./rehearse.ts";

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const text: RehearsalText = JSON.parse(line);
  read(text);
  process.stdout.write("read\n");
}

function read({ kind, path, text }: RehearsalText): unknown {
  switch (kind) {
    case "workflow":
      return readWorkflow(path, text);
    case "manifest":
      return readManifest(path, text);
    default:
      return parseYaml(path, text, READ_LIMITS);
  }
}
