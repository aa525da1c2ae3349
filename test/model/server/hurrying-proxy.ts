/**
 * Stands before the model's server, since a model of random weights ends no text by itself: it bounds the texts and lists in the
 * schema of an answer, counts what is asked, and leaves all else as it is. For references with an even number the members that
 * have a form of their own are empty, so that more than the reader of manifests is met.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

export interface HurryingProxy extends AsyncDisposable {
  readonly url: string;
  readonly requests: number;
  /** The most at the same time. */
  readonly most: number;
  /** Answers that were JSON of the schema's members. */
  readonly valid: number;
}

const MAX_CHARACTERS = 12;

export async function startHurryingProxy(target: string): Promise<HurryingProxy> {
  let [requests, running, most, valid] = [0, 0, 0, 0];
  const http = createServer((request, response) => {
    forward(request, response).catch(() => response.destroy());
  });
  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests += 1;
    running += 1;
    most = Math.max(most, running);
    try {
      const question = await text(request);
      const isPlain = /octo\/a\d*[02468]@/u.test(question);
      const asked = JSON.parse(question, isPlain ? plain : bounded);
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${target}${request.url}`, { method: "POST", headers, body: JSON.stringify(asked) });
      const body = await answer.text();
      if (/\\"steps\\" ?: ?\[.*\\"inputs_used\\"/su.test(body)) valid += 1;
      response.writeHead(answer.status, headers);
      response.end(body);
    } finally {
      running -= 1;
    }
  }
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    get requests() {
      return requests;
    },
    get most() {
      return most;
    },
    get valid() {
      return valid;
    },
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise<void>((resolve) => http.close(() => resolve()));
    },
  };
}

/** One step at least: an answer without one is no rubbish but a model that declines. */
function bounded(name: string, value: { type?: string; enum?: unknown } | null): unknown {
  if (value?.type === "string" && value.enum === undefined) return { ...value, maxLength: MAX_CHARACTERS };
  if (value?.type !== "array") return value;
  if (name === "steps") return { ...value, minItems: 1, maxItems: 2 };
  return { ...value, maxItems: name === "inputs_used" ? 0 : 1 };
}

const FORMED: ReadonlySet<string> = new Set(["id", "if", "working_directory"]);

function plain(name: string, value: Parameters<typeof bounded>[1]): unknown {
  return FORMED.has(name) && value?.type === "string" ? { type: "string", enum: [""] } : bounded(name, value);
}
