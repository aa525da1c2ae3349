/** Each provider that works here: from nothing to a ready agent, and what a step's process costs through it. */
import { compose } from "../src/compose.ts";
import { loadConfig } from "../src/config.ts";
import { openAgent } from "../src/protocol/open-agent.ts";
import type { ProviderName } from "../src/provider/provider.ts";
import { median } from "./measure.ts";

const NAMES: readonly ProviderName[] = ["host", "gvisor", "qemu"];
const MACHINES = 5;
const STEPS = 20;

export async function measureMachines(): Promise<void> {
  process.stdout.write("\nMachines\n");
  for (const name of NAMES) {
    try {
      await measureProvider(name);
    } catch (error) {
      process.stdout.write(`  ${name}: not measured: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
}

async function measureProvider(name: ProviderName): Promise<void> {
  const hearth = compose(loadConfig({ provider: name }, process.env, process.cwd()), process.env);
  const { provider, isolation } = await hearth.chooseProvider();
  const readyMs: number[] = [];
  const stepMs: number[] = [];
  for (let count = 0; count < MACHINES; count += 1) {
    const startedAt = performance.now();
    await using machine = await provider.provision(
      {
        id: `bench-${count}`,
        cpus: 1,
        memoryMib: 1024,
        certificateAuthorities: undefined,
        image: undefined,
      },
      new AbortController().signal,
    );
    await using agent = await openAgent(machine.agent);
    const { env } = await agent.ready();
    readyMs.push(performance.now() - startedAt);
    for (let step = 0; step < STEPS; step += 1) {
      const steppedAt = performance.now();
      const argv = ["bash", "-e", "-c", "true"];
      await agent.exec({ id: `${step}`, argv, env, cwd: "/", user: "runner", write: [], read: [] }, () => undefined);
      stepMs.push(performance.now() - steppedAt);
    }
  }
  const ready = median(readyMs).toFixed(0).padStart(7);
  const step = median(stepMs).toFixed(1).padStart(6);
  process.stdout.write(
    `  ${isolation.padEnd(54)} ready ${ready} ms   a step ${step} ms   (medians of ${MACHINES} and ${MACHINES * STEPS})\n`,
  );
}
