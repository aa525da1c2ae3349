/**
 * Why a model gave no answer. Branch on `kind`; `message` completes "the model did not answer: …" and holds neither key nor prompt.
 */

/** Closed set, named in docs/models.md. */
export type FaultKind =
  /** What would be sent holds a secret, or looks like one; nothing was sent. */
  | "secret"
  /** The request would go elsewhere than to the configured address. */
  | "address"
  /** The server leads elsewhere; it is not followed. */
  | "redirect"
  | "unreachable"
  /** The connection ended within the answer. */
  | "cut"
  /** 429: too many requests, or too many at once. */
  | "busy"
  /** 5xx. */
  | "server"
  /** 401, 402, 403. */
  | "credentials"
  /** Any other 4xx. */
  | "request"
  | "late"
  /** The answer is longer than is read, or than the model may write. */
  | "size"
  /** What came is not of the server's own protocol. */
  | "protocol"
  /** It failed so often that it is not asked for a while. */
  | "broken"
  /** The limit of tokens or money is reached. */
  | "limit";

const RETRYABLE: ReadonlySet<FaultKind> = new Set(["unreachable", "cut", "busy", "server", "protocol"]);
const PRESSURE: ReadonlySet<FaultKind> = new Set(["unreachable", "cut", "busy", "server", "late"]);

export class ModelFault extends Error {
  override readonly name = "ModelFault";
  readonly kind: FaultKind;
  /** What the server asked to wait. */
  readonly retryAfterMs: number | undefined;
  /** The server would not have the format that was asked for; many say so with 400, some with 500. */
  readonly refusesFormat: boolean;

  constructor(
    kind: FaultKind,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number | undefined; refusesFormat?: boolean } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs;
    this.refusesFormat = options.refusesFormat ?? false;
  }

  /** The same request may be answered later. */
  get isRetryable(): boolean {
    return RETRYABLE.has(this.kind);
  }

  /** Fewer requests at once may have been answered. */
  get isPressure(): boolean {
    return PRESSURE.has(this.kind);
  }
}
