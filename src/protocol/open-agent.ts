/** From a machine's stream to its agent, wherever that is. */
import type { Duplex } from "node:stream";
import { EngineError } from "../lib/engine-error.ts";
import type { AgentClient } from "./agent-client.ts";
import { inProcessAgent } from "./in-process-agent.ts";

/** The stream belongs to the client from here on; disposal closes it. Throws MACHINE_LOST for one that has closed already. */
export async function openAgent(stream: Duplex): Promise<AgentClient> {
  const here = inProcessAgent(stream);
  if (here !== undefined) return here;
  // Loaded here, because an agent in this process needs no HTTP/2.
  const { connectAgent } = await import("./connect-agent.ts");
  // HTTP/2 would wait on it until its deadline.
  if (stream.destroyed) throw new EngineError("MACHINE_LOST", "The machine closed its stream before anybody used it");
  return connectAgent(stream);
}
