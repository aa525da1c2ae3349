/**
 * Run by tests of QEMU, to be killed: provisions a machine and says what it is doing and when it has it, and keeps it.
 * Arguments: data directory, machine id.
 */
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import { machineSpec } from "./gvisor-fixture.ts";
import { qemuOptions } from "./qemu-fixture.ts";

const [dataDir = "", id = ""] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const provider = createQemuProvider({ ...(await qemuOptions(dataDir)), progress: say });
await provider.provision(machineSpec(id), new AbortController().signal);
say("ready");
setInterval(() => undefined, 1000);
