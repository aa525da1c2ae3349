/** One span as it is sent: ended, bounded, and with nothing in it that a log line or a secret could be. */
export interface Span {
  /** 32 and 16 hexadecimal digits. */
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined: the root. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** Since 1970; the end is never before the start. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  /** Set where it is an error: what is wrong. */
  readonly error: string | undefined;
}

/** Numbers are integers. Undefined ones are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;
