import { once } from "node:events";
import { createServer, request } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { duplexPair } from "../protocol/duplex-pair.ts";
import { parseUpstreamProxy } from "./dial.ts";
import { createProxy } from "./proxy.ts";
import type { ProxyOptions } from "./proxy.ts";
import type { NetworkDecision } from "./services.ts";

interface Outside {
  /** What was dialled, as `address,address:port`. */
  readonly dialled: string[];
  readonly decisions: NetworkDecision[];
  readonly connect: () => Duplex;
}

/** The outside is one HTTP server behind every address; it answers with what it was asked. */
let origin: Server;
let servers: Server[];

beforeEach(() => {
  origin = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      response.setHeader("Keep-Alive", "timeout=9");
      response.setHeader("Set-Cookie", ["a=1", "b=2"]);
      response.end(
        JSON.stringify({ url: incoming.url, headers: incoming.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
  });
  servers = [origin];
});

afterEach(() => {
  for (const server of servers) server.closeAllConnections();
});

const NAMES: { readonly [host: string]: readonly string[] } = {
  "allowed.example": ["203.0.113.1", "2606:4700::1"],
  "sub.wild.example": ["203.0.113.2"],
  "rebinding.example": ["169.254.169.254"],
  "mixed.example": ["203.0.113.1", "10.0.0.1"],
  "mapped.example": ["::ffff:127.0.0.1"],
  "here.example": ["203.0.113.77"],
  "corp.example": ["10.1.2.3"],
  localhost: ["127.0.0.1", "::1"],
};

function proxy(options: Partial<ProxyOptions> = {}): Outside {
  const dialled: string[] = [];
  const decisions: NetworkDecision[] = [];
  const server = createProxy({
    policy: {
      kind: "allow",
      hosts: [
        "allowed.example",
        "*.wild.example",
        "rebinding.example",
        "mixed.example",
        "mapped.example",
        "here.example",
        "127.0.0.1:4873",
      ],
    },
    resolve: async (host) => {
      const addresses = NAMES[host];
      if (addresses === undefined) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
      return addresses;
    },
    dial: async (addresses, port) => {
      dialled.push(`${addresses.join(",")}:${port}`);
      const [near, far] = duplexPair();
      origin.emit("connection", far);
      return near;
    },
    upstream: undefined,
    ownAddresses: () => ["203.0.113.77"],
    onDecision: (decision) => decisions.push(decision),
    ...options,
  });
  servers.push(server);
  return {
    dialled,
    decisions,
    connect: () => {
      const [near, far] = duplexPair();
      server.emit("connection", far);
      return near;
    },
  };
}

/** Sends bytes as they are and gives back all that came until the end of the connection. */
async function send(connection: Duplex, text: string): Promise<string> {
  let answer = "";
  connection.setEncoding("latin1").on("data", (chunk: string) => (answer += chunk));
  connection.write(text);
  await new Promise((resolve) => connection.once("end", resolve).once("close", resolve));
  return answer;
}

const close = "Connection: close\r\n\r\n";

describe("the proxy's policy", () => {
  it.each([
    ["an IP literal", "CONNECT 203.0.113.1:443"],
    ["a name that is not on the list", "CONNECT evil.example:443"],
    ["another port of an allowed name", "CONNECT allowed.example:22"],
    ["a name below an allowed one", "CONNECT sub.allowed.example:443"],
    ["a name that ends like a wildcard's", "CONNECT evilwild.example:443"],
    ["the wildcard's own name", "CONNECT wild.example:443"],
    ["a name that begins like an allowed one", "CONNECT allowed.example.evil.test:443"],
    ["a user in front of the name", "CONNECT allowed.example@evil.example:443"],
    ["loopback in hexadecimal", "CONNECT 0x7f.1:80"],
    ["loopback as one number", "CONNECT 2130706433:80"],
    ["loopback in octal", "CONNECT 0177.0.0.1:80"],
    ["loopback mapped into IPv6", "CONNECT [::ffff:127.0.0.1]:4873"],
    ["the metadata service", "CONNECT 169.254.169.254:80"],
    ["an allowed name that resolves to the metadata service", "CONNECT rebinding.example:443"],
    ["an allowed name one of whose addresses is private", "CONNECT mixed.example:443"],
    ["an allowed name that resolves to mapped loopback", "CONNECT mapped.example:443"],
    ["an allowed name that resolves to this host's public address", "CONNECT here.example:443"],
    ["another port of an allowed address", "CONNECT 127.0.0.1:6379"],
    ["DNS over HTTPS by address", "CONNECT 1.1.1.1:443"],
    ["a zone index", "CONNECT [fe80::1%25eth0]:443"],
    ["an escape in the name", "CONNECT %61llowed.example:443"],
    ["plain HTTP to a name that is not on the list", "GET http://evil.example/"],
    ["plain HTTP with a user that looks like an allowed name", "GET http://allowed.example@evil.example/"],
    ["plain HTTP to an allowed name that rebinds", "GET http://rebinding.example/latest/meta-data"],
    ["TLS without CONNECT", "GET https://allowed.example/"],
    ["a request that is not for a proxy", "GET /"],
    ["another scheme", "GET ftp://allowed.example/"],
  ])("refuses %s, and dials nothing", async (_what, line) => {
    const outside = proxy();
    const answer = await send(outside.connect(), `${line} HTTP/1.1\r\nHost: allowed.example\r\n${close}`);
    expect(answer).toMatch(/^HTTP\/1\.1 (403|400) /);
    expect(answer).toContain("hearth: refused ");
    expect(outside.dialled).toEqual([]);
    expect(outside.decisions).toHaveLength(1);
    expect(outside.decisions[0]?.allowed).toBe(false);
  });

  it("says which flag would allow it", async () => {
    expect(await refusal("CONNECT evil.example:443")).toBe(
      "hearth: refused evil.example:443: not on the allow list; allow it with --allow-host evil.example, or in hearth.yml: network: { allow: ['evil.example'] } with --network repository\n",
    );
    expect(await refusal("GET http://evil.example:8080/")).toBe(
      "hearth: refused evil.example:8080: not on the allow list; allow it with --allow-host evil.example:8080, or in hearth.yml: network: { allow: ['evil.example:8080'] } with --network repository\n",
    );
    expect(await refusal("CONNECT rebinding.example:443")).toBe(
      "hearth: refused rebinding.example:443: it resolves to 169.254.169.254, a metadata address; allow it with --allow-host 169.254.169.254\n",
    );
  });

  it.each([
    ["an allowed name, at the addresses it resolved to", {}, "allowed.example:443", "203.0.113.1,2606:4700::1:443"],
    ["a name below a wildcard", {}, "sub.wild.example:443", "203.0.113.2:443"],
    ["an address that the list names", {}, "127.0.0.1:4873", "127.0.0.1:4873"],
    [
      "localhost, named with its port",
      { policy: { kind: "allow", hosts: ["localhost:4873"] } },
      "localhost:4873",
      "127.0.0.1,::1:4873",
    ],
    [
      "a private name, its address named too",
      { policy: { kind: "allow", hosts: ["corp.example", "10.1.2.3"] } },
      "corp.example:443",
      "10.1.2.3:443",
    ],
    ["any public name when open", { policy: { kind: "open" } }, "allowed.example:22", "203.0.113.1,2606:4700::1:22"],
  ] as const)("lets through %s", async (_what, options, authority, dialled) => {
    const outside = proxy(options);
    const connection = outside.connect();
    connection.write(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const [head] = await once(connection, "data");
    expect(String(head)).toMatch(/^HTTP\/1\.1 200 /);
    expect(outside.dialled).toEqual([dialled]);
    expect(outside.decisions).toMatchObject([{ allowed: true, reason: undefined }]);
    connection.destroy();
  });

  it.each(["127.0.0.1:80", "10.1.2.3:80", "localhost:80", "169.254.169.254:80", "[::1]:80", "corp.example:80"])(
    "refuses %s even when open",
    async (authority) => {
      const outside = proxy({ policy: { kind: "open" } });
      expect(await send(outside.connect(), `CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n${close}`)).toContain(" 403 ");
      expect(outside.dialled).toEqual([]);
    },
  );

  it("asks for a name's addresses anew for each connection, and dials none but those it has just judged", async () => {
    const answers = [["203.0.113.1"], ["10.0.0.1"], ["203.0.113.2"]];
    let asked = 0;
    const outside = proxy({ resolve: async () => answers[asked++] ?? [] });
    const ask = () => send(outside.connect(), `GET http://allowed.example/ HTTP/1.1\r\nHost: x\r\n${close}`);
    expect(await ask()).toMatch(/^HTTP\/1\.1 200 /);
    expect(await ask()).toContain("it resolves to 10.0.0.1, a private address");
    expect(await ask()).toMatch(/^HTTP\/1\.1 200 /);
    expect(outside.dialled).toEqual(["203.0.113.1:80", "203.0.113.2:80"]);
    expect(asked).toBe(3);
  });

  it("refuses everything when closed", async () => {
    const outside = proxy({ policy: { kind: "closed" } });
    expect(await send(outside.connect(), `CONNECT allowed.example:443 HTTP/1.1\r\nHost: x\r\n${close}`)).toContain(
      " 403 ",
    );
    expect(outside.dialled).toEqual([]);
  });

  it("says that a name does not resolve, or that nobody answers", async () => {
    const unresolved = proxy({ policy: { kind: "open" } });
    expect(await send(unresolved.connect(), `GET http://nowhere.example/ HTTP/1.1\r\nHost: x\r\n${close}`)).toContain(
      "cannot reach nowhere.example: ENOTFOUND",
    );
    for (const line of ["CONNECT allowed.example:443", "GET http://allowed.example/"]) {
      const answer = await send(proxy({ dial: nobodyAnswers }).connect(), `${line} HTTP/1.1\r\nHost: x\r\n${close}`);
      expect(answer).toMatch(/^HTTP\/1\.1 502 /);
      expect(answer).toContain("ECONNREFUSED");
    }
  });
});

describe("tunnels", () => {
  it("carry bytes both ways and pass each end on by itself", async () => {
    let far: Duplex | undefined;
    const outside = proxy({
      dial: async () => {
        const [near, other] = duplexPair();
        far = other;
        return near;
      },
    });
    const connection = await open(outside);
    connection.write("ping");
    if (far === undefined) throw new Error("not dialled");
    expect(String((await once(far, "data"))[0])).toBe("ping");
    connection.end();
    far.resume();
    await once(far, "end");
    const answer = once(connection, "data");
    const end = once(connection, "end");
    far.end("late answer");
    expect(String((await answer)[0])).toBe("late answer");
    await end;
  });

  it("let the server speak first", async () => {
    const [near, far] = duplexPair();
    const connection = await open(proxy({ dial: async () => near }));
    const greeting = once(connection, "data");
    far.write("SSH-2.0-server\r\n");
    expect(String((await greeting)[0])).toBe("SSH-2.0-server\r\n");
    connection.destroy();
    await once(far, "close");
  });

  it("close the other side when one breaks", async () => {
    const [near, far] = duplexPair();
    const connection = await open(proxy({ dial: async () => near }));
    connection.on("error", () => {});
    const closed = once(connection, "close");
    far.destroy();
    await closed;
    expect(near.destroyed).toBe(true);
  });

  it.each([
    { servername: "allowed.example", passes: true },
    { servername: "evil.example", passes: false },
    { servername: undefined, passes: true },
  ])("pass TLS on for the name that was allowed only: $servername", async ({ servername, passes }) => {
    const [near, far] = duplexPair();
    let received = 0;
    far.on("data", (chunk: Buffer) => (received += chunk.length));
    far.on("error", () => {});
    const outside = proxy({ dial: async () => near });
    const connection = await open(outside);
    const outcome = once(far, passes ? "data" : "close");
    const tls = connectTls({ socket: connection, ...(servername === undefined ? {} : { servername }) });
    tls.on("error", () => {});
    await outcome;
    expect(received > 0).toBe(passes);
    expect(outside.decisions.map(({ host, allowed }) => [host, allowed])).toEqual([
      ["allowed.example", true],
      ...(passes ? [] : [["evil.example", false]]),
    ]);
    tls.destroy();
    connection.destroy();
  });
});

describe("plain HTTP", () => {
  it("is passed on with the Host that was checked and without what is meant for the proxy", async () => {
    const outside = proxy();
    const { text, answer } = await ask(outside, "http://ALLOWED.example:80/path?q=1", {
      headers: {
        Host: "evil.example",
        "Proxy-Authorization": "Basic canary",
        "Proxy-Connection": "keep-alive",
        Connection: "X-Hop",
        "X-Hop": "1",
        "X-End": "2",
      },
    });
    const seen = JSON.parse(text);
    expect(seen.url).toBe("/path?q=1");
    expect(seen.headers).toEqual({ host: "allowed.example", "x-end": "2", connection: "close" });
    expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(answer.headers["keep-alive"]).not.toBe("timeout=9");
    expect(outside.dialled).toEqual(["203.0.113.1,2606:4700::1:80"]);
  });

  it("keeps the framing of a body, so that no second request can hide in it", async () => {
    const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const method of ["POST", "GET", "DELETE"]) {
      const headers = { "Transfer-Encoding": "chunked" };
      const { text } = await ask(proxy(), "http://allowed.example/", { method, headers, body: smuggled });
      expect(JSON.parse(text)).toMatchObject({ url: "/", body: smuggled });
    }
  });

  it.each([
    "POST http://allowed.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    `GET http://allowed.example/ HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
    "GET http://evil.example\\@allowed.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http://allowed.example/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
  ])("takes no request that is ambiguous or too large (case %#)", async (text) => {
    const outside = proxy();
    expect(await send(outside.connect(), text)).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(outside.dialled).toEqual([]);
  });

  it("answers several requests on one connection, each decided by itself", async () => {
    const outside = proxy();
    const answer = await send(
      outside.connect(),
      get("http://allowed.example/1", "\r\n") + get("http://evil.example/2", close),
    );
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 403"]);
  });
});

describe("a host that has a proxy of its own", () => {
  const upstream = parseUpstreamProxy({
    url: "http://ada:p%40ss@proxy.corp.example:3128",
    noProxy: [".intern.example", "direct.example"],
  });
  const options = {
    upstream,
    resolve: async (host: string) =>
      host === "proxy.corp.example" ? ["10.9.9.9"] : host === "rebinding.example" ? ["127.0.0.1"] : ["203.0.113.5"],
    policy: {
      kind: "allow" as const,
      hosts: ["allowed.example", "direct.example", "a.intern.example", "rebinding.example", "127.0.0.1:4873"],
    },
  };

  it("is reached through it: a tunnel through a tunnel, with its credentials", async () => {
    const [near, far] = duplexPair();
    const dialled: string[] = [];
    const outside = proxy({
      ...options,
      dial: async (addresses, port) => {
        dialled.push(`${addresses.join(",")}:${port}`);
        return near;
      },
    });
    const connection = outside.connect();
    connection.write("CONNECT allowed.example:443 HTTP/1.1\r\nHost: x\r\n\r\n");
    const [asked] = await once(far, "data");
    expect(String(asked)).toMatch(/^CONNECT allowed\.example:443 HTTP\/1\.1\r\n/);
    expect(String(asked)).toContain(`proxy-authorization: Basic ${Buffer.from("ada:p@ss").toString("base64")}\r\n`);
    far.write("HTTP/1.1 200 OK\r\n\r\nearly");
    let answer = "";
    connection.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    connection.write("SSH-2.0-client");
    expect(String((await once(far, "data"))[0])).toBe("SSH-2.0-client");
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\nearly$/);
    expect(dialled).toEqual(["10.9.9.9:3128"]);
    connection.destroy();
  });

  it("passes plain HTTP on in absolute form", async () => {
    const outside = proxy(options);
    const answer = await send(outside.connect(), `GET http://allowed.example/x HTTP/1.1\r\nHost: x\r\n${close}`);
    expect(answer).toContain('"url":"http://allowed.example/x"');
    expect(answer).toContain('"proxy-authorization":"Basic ');
    expect(outside.dialled).toEqual(["10.9.9.9:3128"]);
  });

  it.each([
    ["direct.example:443", "203.0.113.5:443"],
    ["a.intern.example:443", "203.0.113.5:443"],
    ["127.0.0.1:4873", "127.0.0.1:4873"],
  ])("is not used for %s", async (authority, dialled) => {
    const outside = proxy(options);
    const connection = outside.connect();
    connection.write(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(connection, "data");
    expect(outside.dialled).toEqual([dialled]);
    connection.destroy();
  });

  it("still refuses a name that resolves to this host here, and says when the other proxy refuses", async () => {
    const outside = proxy(options);
    expect(await send(outside.connect(), `CONNECT rebinding.example:443 HTTP/1.1\r\nHost: x\r\n${close}`)).toContain(
      " 403 ",
    );
    expect(outside.dialled).toEqual([]);
    const [near, far] = duplexPair();
    far.once("data", () => far.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"));
    const answer = await send(
      proxy({ ...options, dial: async () => near }).connect(),
      `CONNECT allowed.example:443 HTTP/1.1\r\nHost: x\r\n${close}`,
    );
    expect(answer).toContain("502 Bad Gateway");
    expect(answer).toContain("refused with status 407");
  });
});

async function open(outside: Outside, authority = "allowed.example:443"): Promise<Duplex> {
  const connection = outside.connect();
  connection.write(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(connection, "data");
  return connection;
}

async function refusal(line: string): Promise<string | undefined> {
  return (await send(proxy().connect(), `${line} HTTP/1.1\r\nHost: x\r\n${close}`)).split("\r\n\r\n")[1];
}

function nobodyAnswers(): Promise<never> {
  return Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
}

function get(url: string, end: string): string {
  return `GET ${url} HTTP/1.1\r\nHost: x\r\n${end}`;
}

async function ask(
  outside: Outside,
  path: string,
  options: { method?: string; headers?: { [name: string]: string }; body?: string } = {},
) {
  const outgoing = request({
    createConnection: () => outside.connect(),
    path,
    method: options.method ?? "GET",
    headers: options.headers ?? {},
  });
  outgoing.end(options.body);
  const answer = await new Promise<IncomingMessage>((resolve) => outgoing.once("response", resolve));
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) text += chunk;
  return { answer, text };
}
