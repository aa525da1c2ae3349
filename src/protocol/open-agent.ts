/** From a machine's stream to its agent, wherever that is. */
import type { Duplex } from "node:stream";
import { EngineError } from "../lib/engine-error.ts";
import type { AgentClient } from "./agent-client.ts";
import { inProcessAgent } from "./in-process-agent.ts";

/** Agents that were opened before anybody asked for them. */
const ahead = new WeakMap<Duplex, AgentClient>();

/** The stream belongs to the client from here on; disposal closes it. Throws MACHINE_LOST for one that has closed already. */
export async function openAgent(stream: Duplex): Promise<AgentClient> {
  const here = inProcessAgent(stream);
  if (here !== undefined) return here;
  // Loaded here, because an agent in this process needs no HTTP/2.
  const { connectAgent } = await import("./connect-agent.ts");
  // HTTP/2 would wait on it until its deadline.
  if (stream.destroyed) throw new EngineError("MACHINE_LOST", "The machine closed its stream before anybody used it");
  const opened = ahead.get(stream);
  ahead.delete(stream);
  return opened ?? connectAgent(stream);
}

/** Opens the agent and has it rehearse a step, so that `openAgent` gives one that is at work already. Throws what its calls throw. */
export async function openAhead(stream: Duplex): Promise<void> {
  const agent = await openAgent(stream);
  const { rehearse } = await import("./rehearse.ts");
  const { env } = await agent.ready();
  await rehearse(agent, env);
  ahead.set(stream, agent);
}
