/** Answers as GitHub's services give them: JSON whatever happened, since clients read a body before they look at the status. */
import type { ServerResponse } from "node:http";

export function replyJson(response: ServerResponse, status: number, body: object): void {
  replyBytes(response, status, "application/json", Buffer.from(JSON.stringify(body)));
}

export function replyBytes(response: ServerResponse, status: number, contentType: string, body: Buffer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { "Content-Type": contentType, "Content-Length": body.length });
  response.end(body);
}

export function replyEmpty(response: ServerResponse, status: number): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, status === 204 ? {} : { "Content-Length": 0 }).end();
}
