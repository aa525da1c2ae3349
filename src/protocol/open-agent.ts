/** From a machine's stream to its agent, wherever that is. */
import type { Duplex } from "node:stream";
import type { AgentClient } from "./agent-client.ts";
import { inProcessAgent } from "./in-process-agent.ts";

/** The stream belongs to the client from here on; disposal closes it. */
export async function openAgent(stream: Duplex): Promise<AgentClient> {
  const here = inProcessAgent(stream);
  if (here !== undefined) return here;
  // Loaded here, because an agent in this process needs no HTTP/2.
  const { connectAgent } = await import("./connect-agent.ts");
  return connectAgent(stream);
}
