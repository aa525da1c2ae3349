/**
 * What the API facade is asked and answers, apart from HTTP: `api-endpoint.ts` makes the one of a request and sends the other,
 * the `api-*.ts` files between them are functions of these.
 */
import type { Readable } from "node:stream";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A member that is undefined is left out when it is sent. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export interface ApiRequest {
  /** `HEAD` asks as `GET` does. */
  readonly method: string;
  /** Decoded; a part may hold a slash that was encoded. Without what stands for the API itself (`/api/v3`). */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly accept: string;
  readonly contentType: string;
  /** What GitHub itself may want to know, in lower case; sent on with `--api github` and else read by nobody. */
  readonly clientHeaders: Readonly<Record<string, string>>;
  /** Within the limits of `api-body.ts`. */
  readonly body: Buffer;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly content: ApiContent;
}

export type ApiContent =
  | { readonly kind: "none" }
  | { readonly kind: "json"; readonly value: Json }
  | { readonly kind: "bytes"; readonly type: string; readonly bytes: Buffer }
  | { readonly kind: "stream"; readonly type: string; readonly stream: Readable };

/** Thrown wherever a request cannot be answered as asked; `api-router.ts` makes GitHub's answer of it. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly status: number;
  /** Beside `message`, as `errors` of a 422. */
  readonly fields: JsonObject;

  constructor(status: number, message: string, fields: JsonObject = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

export const notFound = (): ApiProblem => new ApiProblem(404, "Not Found");

/** GitHub's 422. `code`: `missing_field`, `invalid`, `already_exists`. */
export function invalid(resource: string, field: string, code: string): ApiProblem {
  return new ApiProblem(422, "Validation Failed", { errors: [{ resource, field, code }] });
}

export function json(value: Json, status = 200): ApiResponse {
  return { status, content: { kind: "json", value } };
}

export function bytes(type: string, content: Buffer): ApiResponse {
  return { status: 200, content: { kind: "bytes", type, bytes: content } };
}

export const noContent: ApiResponse = { status: 204, content: { kind: "none" } };

/** What the client wants instead of JSON: `raw`, `diff`, `patch`, `sha`, `object`; undefined for plain JSON. */
export function mediaOf({ accept }: ApiRequest): string | undefined {
  return /\bapplication\/vnd\.github(?:\.\w+)?\.(?<media>raw|diff|patch|sha|object|html|text|full)(?:\+json)?\b/.exec(
    accept,
  )?.groups?.["media"];
}
