/** Stands in front of the services and passes everything on, but for the faults that a test orders. */
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { IncomingMessage } from "node:http";

/** `cut`: the connection breaks after so many bytes of the body. */
export type FaultKind =
  | { readonly status: number }
  | { readonly cutRequestAfterBytes: number }
  | { readonly cutReplyAfterBytes: number };

export interface Fault {
  readonly matches: (incoming: IncomingMessage) => boolean;
  /** Which of the requests that match, from 1; the others are passed on. */
  readonly at: number;
  readonly kind: FaultKind;
}

export interface FrontServer extends AsyncDisposable {
  readonly origin: string;
}

export interface FaultServer extends FrontServer {
  /** How often each fault has happened, in their order. */
  readonly happened: readonly number[];
}

export async function faultServer(origin: string, faults: readonly Fault[]): Promise<FaultServer> {
  const seen = faults.map(() => 0);
  const happened = faults.map(() => 0);
  const front = await frontServer(origin, (incoming) => {
    const hits = faults.map((fault, index) => {
      if (!fault.matches(incoming)) return false;
      seen[index] = (seen[index] ?? 0) + 1;
      return seen[index] === fault.at;
    });
    const index = hits.indexOf(true);
    if (index >= 0) happened[index] = (happened[index] ?? 0) + 1;
    return faults[index]?.kind;
  });
  return { ...front, happened };
}

/** `origin` of the services; addresses in their answers are led back here. What `faultOf` gives nothing for is passed on. */
export async function frontServer(
  origin: string,
  faultOf: (incoming: IncomingMessage) => FaultKind | undefined,
): Promise<FrontServer> {
  const server = createServer((incoming, response) => {
    const kind = faultOf(incoming);
    if (kind !== undefined && "status" in kind) {
      incoming.resume().once("end", () => response.writeHead(kind.status).end("<html>broken</html>"));
      return;
    }
    const { method = "GET", url = "/", headers } = incoming;
    const outgoing = request(origin, { method, path: url, headers });
    outgoing.once("error", () => response.destroy());
    let sentBytes = 0;
    incoming.on("data", (chunk: Buffer) => {
      sentBytes += chunk.length;
      if (kind !== undefined && "cutRequestAfterBytes" in kind && sentBytes > kind.cutRequestAfterBytes) {
        outgoing.destroy();
        incoming.socket.destroy();
      } else outgoing.write(chunk);
    });
    incoming.once("end", () => outgoing.end());
    outgoing.once("response", (answered) => {
      const isJson = answered.headers["content-type"] === "application/json";
      const { "content-length": length, ...others } = answered.headers;
      response.writeHead(answered.statusCode ?? 502, isJson || length === undefined ? others : answered.headers);
      let bytes = 0;
      answered.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (kind !== undefined && "cutReplyAfterBytes" in kind && bytes > kind.cutReplyAfterBytes) response.destroy();
        else response.write(isJson ? chunk.toString("utf8").replaceAll(origin, ownOrigin) : chunk);
      });
      answered.once("end", () => response.end());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  const ownOrigin = `http://127.0.0.1:${address.port}`;
  return {
    origin: ownOrigin,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
