/**
 * A model's server for tests: OpenAI's, Ollama's and Anthropic's protocol on one port, with faults to choose. It keeps every byte that it was
 * sent. Unless told otherwise it answers with a translation that passes the checks, made from the prompt that it got.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export const FAULT_MODES = [
  "busy",
  "busy-retry-after",
  "error-500",
  "error-529",
  "refused",
  "hang",
  "cut",
  "malformed",
  "prose",
  "wrong-schema",
  "huge",
  "slow",
] as const;

export type FaultMode = (typeof FAULT_MODES)[number];

export type ModelMode =
  | "good"
  | "fenced"
  | "obedient"
  | "redirect"
  | "no-schemas"
  | "no-schemas-500"
  | "revoked"
  | "truncated"
  | FaultMode;

export interface FakeModelOptions {
  /** Of the nth request, from 1. */
  readonly mode?: ModelMode | ((request: number) => ModelMode);
  /** Requests at the same time; one too many gets `excess`. Default: any number. */
  readonly bears?: number;
  readonly excess?: "busy" | "reset";
  readonly answerAfterMs?: number;
  /** In place of the answer made from the prompt. */
  readonly answer?: (prompt: string) => string;
  readonly redirectTo?: string;
}

export interface FakeModelServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`, without a path. */
  readonly url: string;
  /** Requests that came to an end of their body. */
  readonly requests: number;
  /** The most at the same time. */
  readonly most: number;
  /** Heads and bodies of all requests, in the order in which they came. */
  readonly bytes: Buffer;
  readonly connections: number;
}

export async function startFakeModel(options: FakeModelOptions = {}): Promise<FakeModelServer> {
  const { bears = Infinity, excess = "busy", answerAfterMs = 0 } = options;
  const bytes: Buffer[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let requests = 0;
  let running = 0;
  let most = 0;

  const http = createServer((request, response) => void handle(request, response));
  http.on("connection", (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", rawHeaders } = request;
    bytes.push(Buffer.from(`${method} ${url}\n${rawHeaders.join("\n")}\n\n`));
    const body = await bodyOf(request, bytes);
    requests += 1;
    const mode = typeof options.mode === "function" ? options.mode(requests) : (options.mode ?? "good");
    running += 1;
    most = Math.max(most, running);
    let gone = false;
    response.once("close", () => {
      if (!gone) running -= 1;
      gone = true;
    });
    if (running > bears) {
      if (excess === "reset") return void request.socket.destroy();
      return send(response, 429, { error: { message: "too many requests" } });
    }
    await later(mode === "slow" ? Math.max(400, answerAfterMs) : answerAfterMs);
    play(mode, { path: url, body, response, options });
  }

  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    get requests() {
      return requests;
    },
    get most() {
      return most;
    },
    get bytes() {
      return Buffer.concat(bytes);
    },
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => http.close(() => resolve()));
    },
  };
}

interface Playing {
  readonly path: string;
  readonly body: string;
  readonly response: ServerResponse;
  readonly options: FakeModelOptions;
}

function play(mode: ModelMode, { path, body, response, options }: Playing): void {
  const prompt = promptOf(body);
  const good = options.answer?.(prompt) ?? goodAnswer(prompt);
  const answer = (text: string): void => send(response, 200, envelope(path, text));
  switch (mode) {
    case "good":
    case "slow":
      return answer(good);
    case "fenced":
      return answer(`Here it is:\n\`\`\`json\n${good}\n\`\`\`\nI hope that helps.`);
    case "prose":
      return answer("Certainly! A shell script would do, but which one depends on your needs.");
    case "obedient":
      return answer(/ANSWER-WITH: (.*)$/mu.exec(prompt)?.[1] ?? good);
    case "wrong-schema":
      return answer(JSON.stringify({ steps: [{ run: "echo hello" }] }));
    case "truncated":
      return answer(good.slice(0, Math.floor(good.length / 2)));
    case "busy":
      return send(response, 429, { error: { message: "slow down" } });
    case "busy-retry-after":
      return send(response, 429, { error: { message: "slow down" } }, { "retry-after": "1" });
    case "error-500":
      return send(response, 500, { error: { message: "it broke" } });
    case "error-529":
      return send(response, 529, { error: { message: "overloaded" } });
    case "revoked":
      return send(response, 401, { error: { message: "no such key" } });
    case "redirect":
      return send(response, 307, {}, { location: options.redirectTo ?? "http://127.0.0.1:9/" });
    case "no-schemas":
      if (body.includes('"json_schema"')) return send(response, 422, { error: { message: "unknown" } });
      return answer(good);
    case "no-schemas-500": {
      const message = "1 validation error: 'loc': ('body', 'response_format', 'type')";
      if (body.includes('"json_schema"')) return send(response, 500, { error: { message } });
      return answer(good);
    }
    case "malformed":
      response.writeHead(200, { "content-type": "application/json" });
      return void response.end('{"choices": [{');
    case "huge":
      return answer("x".repeat(10 << 20));
    case "cut": {
      const whole = JSON.stringify(envelope(path, good));
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(whole) });
      response.write(whole.slice(0, Math.floor(whole.length / 2)), () => response.destroy());
      return;
    }
    case "refused":
      return void response.socket?.destroy();
    case "hang":
      return;
  }
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function envelope(path: string, text: string): object {
  if (path.endsWith("/api/chat")) {
    return {
      model: "fake",
      created_at: "2026-01-01T00:00:00Z",
      message: { role: "assistant", content: text },
      done: true,
      done_reason: "stop",
      eval_count: 50,
      prompt_eval_count: 500,
    };
  }
  if (path.endsWith("/messages")) {
    return {
      id: "m",
      type: "message",
      role: "assistant",
      model: "fake",
      content: [{ type: "text", text }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { input_tokens: 500, output_tokens: 50 },
    };
  }
  return {
    id: "c",
    object: "chat.completion",
    created: 1,
    model: "fake",
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
    usage: { prompt_tokens: 500, completion_tokens: 50, total_tokens: 550, cost: 0.01 },
  };
}

/** All texts of the messages, whatever the protocol. */
function promptOf(body: string): string {
  const { messages = [] }: { messages?: readonly { content: unknown }[] } = JSON.parse(body === "" ? "{}" : body);
  return messages.map(({ content }) => textOf(content)).join("\n");
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: { text?: string }) => part.text ?? "").join("\n");
}

/** Sets every output that is read; passes the checks for any action. */
function goodAnswer(prompt: string): string {
  const outputs = [...(/<outputs_read>\n(.*?)\n?<\/outputs_read>/su.exec(prompt)?.[1] ?? "").matchAll(/[\w-]+/gu)].map(
    String,
  );
  const lines = outputs.map((name) => `echo "${name}=value" >> "$GITHUB_OUTPUT"`);
  const step = {
    id: "main",
    name: "Do it",
    shell: "bash",
    run: ["echo done", ...lines].join("\n"),
    if: "",
    working_directory: "",
    env: [],
  };
  const values = outputs.map((name) => ({ name, value: `\${{ steps.main.outputs.${name} }}` }));
  return JSON.stringify({ steps: [step], outputs: values, inputs_used: [] });
}

async function bodyOf(request: IncomingMessage, bytes: Buffer[]): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk);
    bytes.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function later(milliseconds: number): Promise<void> {
  return milliseconds === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, milliseconds));
}
