/**
 * `node bench/webhooks.ts [deliveries] [connections] [directory]`: how many webhooks a server takes in a second, each durable before it is
 * answered, and how long the slowest of a hundred waits. The server is a process of its own; nothing is planned meanwhile.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signatureOf } from "../src/server/webhook-signature.ts";

const [count, connections] = [Number(process.argv[2] ?? 5_000), Number(process.argv[3] ?? 32)];
const directory = mkdtempSync(join(process.argv[4] ?? tmpdir(), "hearth-bench-"));
const program = join(import.meta.dirname, "..", "src", "server", "killable-server.fixture.ts");
const server = spawn(process.execPath, [program, join(directory, "state")], { stdio: ["ignore", "pipe", "inherit"] });
try {
  const port = await new Promise<number>((resolve) => {
    server.stdout.setEncoding("utf8").once("data", (text: string) => resolve(Number(text)));
  });
  // GitHub's push of one commit is about 8 KiB.
  const filling = "x".repeat(8_000);
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  await deliverAll(200);
  const startedAt = performance.now();
  const latencies = (await deliverAll(count)).toSorted((left, right) => left - right);
  const seconds = (performance.now() - startedAt) / 1_000;
  const at = (share: number): string => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(1);
  process.stdout.write(
    `${count} webhooks over ${connections} connections: ${Math.round(count / seconds)} each second, ` +
      `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(0.9999)} ms\n`,
  );
  agent.destroy();

  async function deliverAll(deliveries: number): Promise<number[]> {
    const taken: number[] = [];
    let left = deliveries;
    const senders = Array.from({ length: connections }, async () => {
      while (left > 0) {
        left -= 1;
        const sentAt = performance.now();
        const status = await deliver();
        if (status !== 202) throw new Error(`a webhook was answered ${status}`);
        taken.push(performance.now() - sentAt);
      }
    });
    await Promise.all(senders);
    return taken;
  }

  function deliver(): Promise<number | undefined> {
    const after = randomUUID();
    const body = Buffer.from(
      JSON.stringify({ ref: "refs/heads/main", after, filling, repository: { full_name: "o/r" } }),
    );
    const headers = {
      "content-type": "application/json",
      "content-length": body.length,
      "x-github-event": "push",
      "x-github-delivery": randomUUID(),
      "x-hub-signature-256": signatureOf("secret", body),
    };
    return new Promise((resolve, reject) => {
      const sent = request({ port, host: "127.0.0.1", method: "POST", headers, agent }, (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode));
      });
      sent.once("error", reject);
      sent.end(body);
    });
  }
} finally {
  server.kill("SIGTERM");
  await new Promise((resolve) => server.once("close", resolve));
  rmSync(directory, { recursive: true, force: true });
}
