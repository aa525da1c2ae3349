/**
 * Run as an ordinary user by `gvisor-provider.test.ts`, bundled into one file: `node smoke.js <dataDir> <runDir> <agent>`.
 * Provisions a machine, runs a step with sudo in it, disposes of it, prints what it saw and was told as JSON.
 */
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { findCgroupRoot, thisHost } from "../../src/provider/cgroup-root.ts";
import { leftovers } from "../../src/provider/gvisor/leftovers.ts";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";

const said: string[] = [];
const [dataDir = "", runDir = "", agentBundle = ""] = process.argv.slice(2);
const provider = gvisorProvider({
  dataDir,
  runDir,
  agentBundle,
  searchPath: "",
  uid: process.getuid?.() ?? 0,
  cgroups: await findCgroupRoot(await thisHost()),
  progress: (line) => void said.push(line),
});
const probe = await provider.probe();
const machine = await provider.provision(
  { id: "smoke", cpus: 1, memoryMib: 1024, certificateAuthorities: undefined, image: undefined },
  new AbortController().signal,
);
const agent = connectAgent(machine.agent);
const { env } = await agent.ready();
let output = "";
const script = "id --user; sudo id --user; touch ~/mine /opt/hostedtoolcache/mine; stat --format=%U /etc/passwd ~/mine";
const argv = ["bash", "-e", "-c", script];
const { code } = await agent.exec({ id: "1", argv, env, cwd: "/", user: "runner", write: [], read: [] }, (_, chunk) => {
  output += chunk.toString();
});
await agent[Symbol.asyncDispose]();
await machine[Symbol.asyncDispose]();
// Our own arguments name the run directory too, and so do those of whoever started us.
const left = (await leftovers(runDir)).filter((line) => !line.includes("smoke.js"));
process.stdout.write(JSON.stringify({ uid: process.getuid?.(), probe, code, output, said, left }));
