/** Run by `qemu-provider.test.ts`, to be killed: provisions a machine, says so, and keeps it. */
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import { machineSpec } from "./gvisor-fixture.ts";

const [dataDir = "", agentBundle = "", id = ""] = process.argv.slice(2);
const provider = createQemuProvider({ dataDir, agentBundle, accelerator: "tcg", progress: () => undefined });
await provider.provision(machineSpec(id), new AbortController().signal);
process.stdout.write("ready\n");
setInterval(() => undefined, 1000);
