/** A git server on loopback for tests, with knobs for its faults. It serves bare repositories `<owner>/<name>.git`. */
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import { createGitEndpoint } from "../service/git-endpoint.ts";
import { createLookup } from "../service/repository-lookup.ts";

export interface GitServer extends AsyncDisposable {
  readonly url: string;
  /** In the order they came. */
  readonly requests: IncomingMessage[];
  /** `trouble` answers 503 to so many requests, then serves. */
  answer: "serve" | "never" | "401 without s3cret" | { trouble: number };
}

export async function startGitServer(repositories: string): Promise<GitServer> {
  const endpoint = createGitEndpoint(createLookup(undefined, repositories));
  const server = createServer((request, response) => {
    fake.requests.push(request);
    const { answer } = fake;
    if (answer === "never") return undefined;
    if (typeof answer === "object" && answer.trouble > 0) {
      answer.trouble -= 1;
      return response.writeHead(503).end();
    }
    const isAllowed = request.headers.authorization === `Basic ${btoa("x-access-token:s3cret")}`;
    if (answer === "401 without s3cret" && !isAllowed) {
      return response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    }
    return endpoint.handle(request, response, request.url ?? "") || response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  const fake: GitServer = {
    url: `http://127.0.0.1:${address.port}`,
    requests: [],
    answer: "serve",
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await endpoint[Symbol.asyncDispose]();
    },
  };
  return fake;
}
