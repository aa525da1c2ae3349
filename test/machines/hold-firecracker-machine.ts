/** Run by `firecracker-provider.test.ts`, to be killed: provisions a machine, says so, and keeps it. */
import { createFirecrackerProvider } from "../../src/provider/firecracker/provider.ts";
import type { FirecrackerProviderOptions } from "../../src/provider/firecracker/provider.ts";
import { machineSpec } from "./gvisor-fixture.ts";

const [text = "{}", id = ""] = process.argv.slice(2);
const options: Omit<FirecrackerProviderOptions, "progress"> = JSON.parse(text);
const provider = createFirecrackerProvider({ ...options, progress: () => undefined });
await provider.provision(machineSpec(id), new AbortController().signal);
process.stdout.write("ready\n");
setInterval(() => undefined, 1000);
