/** `node hold-machine.ts <runDir> <id>`: provisions a machine, says so, and keeps it until it is killed. */
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import { gvisorSettings, machineSpec } from "./gvisor-fixture.ts";

const [runDir = "", id = ""] = process.argv.slice(2);
await gvisorProvider(await gvisorSettings(runDir)).provision(machineSpec(id), new AbortController().signal);
process.stdout.write("ready\n");
setInterval(() => undefined, 1_000);
