import { expect, it } from "vitest";
import type { ExecRequest } from "../../protocol/agent-api.ts";
import { connectAgent } from "../../protocol/connect-agent.ts";
import { AGENT_TIMING } from "../../protocol/agent-session.ts";
import { SCRIPTS, providerContract } from "../provider.contract.ts";
import type { FakeExec } from "./fake-agent.ts";
import { fakeProvider } from "./provider.ts";
import type { FakeMachine } from "./provider.ts";

/** What a shell would do for the scripts of the contract. */
function contractShell({ argv, cwd, env }: ExecRequest, { files }: FakeMachine): FakeExec | undefined {
  if (argv[0]?.startsWith("hearth-no-such") === true) return { failure: `No such program: ${argv[0]}` };
  if (cwd.startsWith("/hearth/no/such")) return { failure: `No such directory: ${cwd}` };
  if (argv[0] === "/usr/bin/env") {
    return { output: Object.entries(env).map(([name, value]) => ["stdout", `${name}=${value}\n`]) };
  }
  switch (argv[2]) {
    case SCRIPTS.exit7:
      return { code: 7 };
    case SCRIPTS.killSelf:
      return { signal: "SIGKILL" };
    case SCRIPTS.bothStreams:
      return {
        output: [1, 2, 3].flatMap((n) => [["stdout", `out ${n}\n`] as const, ["stderr", `err ${n}\n`] as const]),
      };
    case SCRIPTS.large:
      return {
        output: [
          ["stdout", Buffer.alloc(8 << 20, "x")],
          ["stderr", Buffer.alloc(1 << 20, "y")],
        ],
      };
    case SCRIPTS.where:
      return { output: [["stdout", `${cwd}\n`]] };
    case SCRIPTS.copy:
      files.set(env["TARGET"] ?? "", files.get(env["SOURCE"] ?? "") ?? Buffer.alloc(0));
      return undefined;
    case SCRIPTS.trapInterrupt:
      return {
        output: [["stdout", "ready\n"]],
        untilSignal: (signal) =>
          signal === "SIGINT" ? { code: 40, output: [["stdout", "interrupted\n"]] } : { signal },
      };
    default:
      return undefined;
  }
}

const provider = fakeProvider({ script: contractShell, bootDelayMs: 5 });

providerContract("fake", {
  create: async () => provider,
  leftovers: async () => [...provider.live],
  kill: async ({ id }) => provider.kill(id),
  skip: {
    processes: "fake: commands are answered, not run",
    background: "fake: there are no processes to be left",
    hashFiles: "fake: answers that nothing matched",
    tar: "fake: keeps files, no directories, links or modes",
  },
});

const spec = {
  cpus: 1,
  memoryMib: 512,
  certificateAuthorities: undefined,
  image: undefined,
};
const { signal } = new AbortController();
const request = { id: "1", argv: ["bash"], env: {}, cwd: "/", user: "runner" as const, write: [], read: [] };

it("remembers every machine and what was run in it, and which of them live", async () => {
  const provider = fakeProvider();
  const first = await provider.provision({ id: "first", ...spec }, signal);
  const second = await provider.provision({ id: "second", ...spec }, signal);
  await using agent = connectAgent(first.agent);
  await agent.exec(request, () => undefined);
  await first[Symbol.asyncDispose]();
  expect(provider.provisioned.map(({ id, execs }) => [id, execs.length])).toEqual([
    ["first", 1],
    ["second", 0],
  ]);
  expect([...provider.live]).toEqual(["second"]);
  await second[Symbol.asyncDispose]();
  expect([...provider.live]).toEqual([]);
});

it("fails to provision when told to, and leaves nothing", async () => {
  const provider = fakeProvider({ failProvision: "no more memory" });
  const provisioning = provider.provision({ id: "a", ...spec }, signal);
  await expect(provisioning).rejects.toMatchObject({ code: "MACHINE_START_FAILED", message: /no more memory/ });
  expect(provider.live.size).toBe(0);
});

it("dies during the command it is told to die in", async () => {
  const provider = fakeProvider({ dieDuringExec: 2 });
  await using machine = await provider.provision({ id: "a", ...spec }, signal);
  await using agent = connectAgent(machine.agent);
  await agent.exec(request, () => undefined);
  await expect(agent.exec({ ...request, id: "2" }, () => undefined)).rejects.toMatchObject({ code: "MACHINE_LOST" });
  expect(await machine.lost).toMatchObject({ reason: "died during command 2" });
});

it("hangs in the command it is told to hang in, so that only a missing heartbeat tells", async () => {
  const provider = fakeProvider({ hangOnExec: 1 });
  await using machine = await provider.provision({ id: "a", ...spec }, signal);
  await using agent = connectAgent(machine.agent, { ...AGENT_TIMING, heartbeatMs: 5 });
  await expect(agent.exec(request, () => undefined)).rejects.toMatchObject({ code: "MACHINE_LOST" });
});
