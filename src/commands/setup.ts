/** `hearth setup`: installs what this host lacks to run machines, or says exactly what is missing and how to get it. */
import { resolve } from "node:path";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { SetupWish } from "../setup/setup-host.ts";
import type { Hearth } from "./hearth.ts";
import { withInterrupt } from "./interrupt.ts";
import type { Terminal } from "./terminal.ts";

export async function setupHost(hearth: Hearth, terminal: Terminal, wish: SetupWish): Promise<ExitCode> {
  const { err } = terminal;
  await withInterrupt(terminal, (signal) =>
    hearth.setupHost(wish, { progress: (line) => err.write(`${plainText(line)}\n`), signal }),
  );
  err.write("ready\n");
  return exitCode.success;
}

export async function setupFirecracker(
  hearth: Hearth,
  terminal: Terminal,
  { binary, jailer }: { readonly binary: string; readonly jailer?: string },
): Promise<ExitCode> {
  const { out, err } = terminal;
  const registered = await withInterrupt(terminal, (signal) =>
    hearth.setupFirecracker({
      binary: resolve(binary),
      jailer: jailer === undefined ? undefined : resolve(jailer),
      progress: (line) => err.write(`${plainText(line)}\n`),
      signal,
    }),
  );
  for (const [name, program] of Object.entries(registered)) {
    if (program !== undefined) out.write(`${name}  ${plainText(program.version)}  sha256:${program.sha256}\n`);
  }
  if (jailer === undefined) err.write("without a jailer machines are made only where HEARTH_FIRECRACKER_JAILER=off\n");
  return exitCode.success;
}

export async function setupGvisor(
  hearth: Hearth,
  terminal: Terminal,
  options: { readonly binary?: string },
): Promise<ExitCode> {
  const { out, err } = terminal;
  const { binary, version } = await withInterrupt(terminal, (signal) =>
    hearth.setupGvisor({
      binary: options.binary === undefined ? undefined : resolve(options.binary),
      progress: (line) => err.write(`${plainText(line)}\n`),
      signal,
    }),
  );
  out.write(`${plainText(binary)}  ${plainText(version)}\n`);
  return exitCode.success;
}
