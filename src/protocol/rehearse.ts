/**
 * What a first step asks of a machine, asked for nothing: what either end compiles, reads or translates when it does something for
 * the first time is behind the machine then. Nobody's code is run, and no file is left.
 */
import { join } from "node:path/posix";
import type { AgentClient } from "./agent-client.ts";

const DIRECTORY = "/tmp/hearth-rehearsal";
/** Of GitHub's form for a step that runs in bash. */
const SHELL = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"];

/**
 * `env`: of the commands. Does not ask for the boot's id: a kernel that makes it up when it is first read is not to be asked before
 * its machine is copied. A program that the image does not have is no error. Throws what `AgentClient` throws.
 */
export async function rehearse(agent: AgentClient, env: Record<string, string>): Promise<void> {
  await agent.reset({ empty: [DIRECTORY] });
  await agent.writeFile({ path: join(DIRECTORY, "event.json"), content: "{}", mode: 0o644, user: "runner" });
  await agent.vitals({ path: DIRECTORY });
  const script = join(DIRECTORY, "script.sh");
  const request = { id: "rehearsal", argv: [...SHELL, script], env, cwd: "/", user: "runner" as const };
  const write = [{ path: script, content: `echo; rm -r ${DIRECTORY}\n`, mode: 0o644 }];
  await agent.exec({ ...request, write, read: [{ path: script, maxBytes: 1 }] }, () => undefined);
}
