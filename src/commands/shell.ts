/** `hearth shell [IMAGE|RUN]`: inside a machine of one's own, or the one of a job that runs now. */
import { randomUUID } from "node:crypto";
import { EngineError } from "../lib/engine-error.ts";
import { plainText } from "./display-text.ts";
import { enterNamed } from "./enter-named.ts";
import type { Hearth } from "./hearth.ts";
import { withInterrupt } from "./interrupt.ts";
import { runExec, runShell } from "./shell-session.ts";
import type { ShellPlace } from "./shell-session.ts";
import type { AgentClient } from "../protocol/agent-client.ts";
import type { Terminal } from "./terminal.ts";

export interface ShellCommandOptions {
  readonly job?: string;
  readonly exec?: string;
  /** Of the machine that is made, and so not for a run's. */
  readonly provider?: string;
  readonly network?: string;
  readonly allowHost?: readonly string[];
}

/** Names the workspace of a machine that belongs to no repository. */
const WORKSPACE = "shell";

/** Resolves with the shell's or the command's own exit code. */
export async function shell(
  hearth: Hearth,
  terminal: Terminal,
  name: string | undefined,
  options: ShellCommandOptions,
): Promise<number> {
  // One that comes while the machine is destroyed must not leave it behind.
  const stopListening = terminal.onInterrupt(() => undefined);
  try {
    return name === undefined || (await isImage(hearth, name))
      ? await inOwnMachine(hearth, terminal, name, options)
      : await inMachineOfRun(hearth, terminal, name, options);
  } finally {
    await hearth.close();
    stopListening();
  }
}

async function inOwnMachine(
  hearth: Hearth,
  terminal: Terminal,
  image: string | undefined,
  { job, exec }: ShellCommandOptions,
): Promise<number> {
  if (job !== undefined) {
    throw new EngineError("BAD_USAGE", "--job is for a run that is going on", { hint: "hearth shell RUN --job JOB" });
  }
  const stopTelling = hearth.onMachineProgress((line) => say(terminal, line));
  await using undo = new AsyncDisposableStack();
  try {
    const place = await withInterrupt(terminal, async (signal) => {
      const { provider, isolation } = await hearth.chooseProvider();
      say(terminal, `Starting a machine: ${provider.name}, ${isolation}`);
      const id = `shell-${randomUUID().slice(0, 13)}`;
      const wish = { provider, id, image, saved: undefined, repository: WORKSPACE, network: [] };
      const { machine } = undo.use(await hearth.openMachine(wish, signal));
      const { layout, environment, agent } = machine;
      await agent.reset({ empty: [layout.workspace, layout.temp] });
      const env = { ...environment, RUNNER_TEMP: layout.temp, RUNNER_TOOL_CACHE: layout.toolCache };
      return { agent, env, cwd: layout.workspace };
    });
    return await visit(terminal, place, exec, "The machine is destroyed when the shell ends.");
  } finally {
    stopTelling();
  }
}

async function inMachineOfRun(
  hearth: Hearth,
  terminal: Terminal,
  name: string,
  { job, exec, provider, network, allowHost }: ShellCommandOptions,
): Promise<number> {
  if ([provider, network, allowHost].some((option) => option !== undefined)) {
    throw new EngineError("BAD_USAGE", "--provider, --network and --allow-host are for a machine of one's own", {
      hint: `${name} is no image, and what runs has chosen them.`,
    });
  }
  const none = new EngineError("RUN_NOT_FOUND", `There is no image or run ${name}`, {
    hint: "`hearth runs` lists the runs, `hearth image list` the images.",
  });
  await using entered = await enterNamed(hearth, name, job, none);
  const { agent, cwd, machine, isolation, where } = entered;
  const { env } = await agent.ready();
  return await visit(terminal, { agent, env, cwd }, exec, `In ${where}: ${machine}, ${isolation}.`);
}

async function visit(
  terminal: Terminal,
  { agent, env, cwd }: Pick<ShellPlace, "env" | "cwd"> & { readonly agent: AgentClient },
  exec: string | undefined,
  notice: string,
): Promise<number> {
  const place = { env, cwd, user: "runner" } as const;
  if (exec !== undefined) return await runExec(agent, terminal, { ...place, command: exec });
  if (terminal.screen.hasKeyboard) say(terminal, `${notice} What the shell prints is not masked.`);
  return await runShell(agent, terminal, place);
}

async function isImage({ images }: Hearth, wanted: string): Promise<boolean> {
  return (await images.list()).some(({ name }) => name === wanted);
}

function say({ err }: Terminal, line: string): void {
  err.write(`${err.colors.dim(plainText(line))}\n`);
}
