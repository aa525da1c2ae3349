/** The agent over a byte stream. */
import type { Duplex } from "node:stream";
import { serveRoutes } from "../protocol/serve-routes.ts";
import { agentHandlers } from "./agent.ts";
import type { AgentOptions } from "./agent.ts";

/** Serves one host until it goes away; commands that still run for it are killed then. Never rejects. */
export async function serveAgent(stream: Duplex, options: AgentOptions): Promise<void> {
  await serveRoutes(stream, agentHandlers(options));
}
