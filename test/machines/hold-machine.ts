/**
 * `node hold-machine.ts <runDir> <id> [<dataDir>]`: provisions a machine, says so, and keeps it until it is killed. With a data
 * directory of its own it also says what it is doing.
 */
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import { gvisorSettings, machineSpec } from "./gvisor-fixture.ts";

const [runDir = "", id = "", dataDir] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const settings = await gvisorSettings(runDir);
const own = dataDir === undefined ? {} : { dataDir, progress: say };
await gvisorProvider({ ...settings, ...own }).provision(machineSpec(id), new AbortController().signal);
say("ready");
setInterval(() => undefined, 1_000);
