/** The types that fields of the results service have, each in both forms. Source: protobuf.dev, "ProtoJSON format". */
import type { Field, Message } from "./protobuf-message.ts";
import { MalformedMessage, readWire, writeWire } from "./protobuf-wire.ts";
import type { WireField } from "./protobuf-wire.ts";

export function text(number: number): Field<string> {
  return {
    number,
    empty: "",
    isEmpty: (value) => value === "",
    fromJson: textFromJson,
    toJson: (value) => value,
    fromWire: (values) => textFromWire(values.at(-1)),
    toWire: (value) => [Buffer.from(value)],
  };
}

export function texts(number: number): Field<readonly string[]> {
  return {
    number,
    empty: [],
    isEmpty: (value) => value.length === 0,
    fromJson: (json) => arrayFromJson(json).map(textFromJson),
    toJson: (value) => value,
    fromWire: (values) => values.map(textFromWire),
    toWire: (value) => value.map((one) => Buffer.from(one)),
  };
}

export function flag(number: number): Field<boolean> {
  return {
    number,
    empty: false,
    isEmpty: (value) => !value,
    fromJson(json) {
      if (typeof json !== "boolean") throw new MalformedMessage("not true or false");
      return json;
    },
    toJson: (value) => value,
    fromWire: (values) => varintFromWire(values.at(-1)) !== 0n,
    toWire: (value) => [value ? 1n : 0n],
  };
}

export function int32(number: number): Field<number> {
  return {
    number,
    empty: 0,
    isEmpty: (value) => value === 0,
    fromJson: (json) => int32FromJson(json),
    toJson: (value) => value,
    // The upper half of a longer number is dropped, as protobuf has it.
    fromWire: (values) => Number(BigInt.asIntN(32, varintFromWire(values.at(-1)))),
    toWire: (value) => [BigInt(value)],
  };
}

export function int64(number: number): Field<bigint> {
  return {
    number,
    empty: 0n,
    isEmpty: (value) => value === 0n,
    fromJson: int64FromJson,
    toJson: String,
    fromWire: (values) => BigInt.asIntN(64, varintFromWire(values.at(-1))),
    toWire: (value) => [value],
  };
}

/** `google.protobuf.StringValue`: an empty text is not the same as none. */
export function textValue(number: number): Field<string | undefined> {
  return wrapper(text(number), text(1));
}

/** `google.protobuf.Int64Value`. */
export function int64Value(number: number): Field<bigint | undefined> {
  return wrapper(int64(number), int64(1));
}

/** `google.protobuf.Timestamp`, to the millisecond, in ms since 1970. */
export function timestampMs(number: number): Field<number | undefined> {
  const seconds = int64(1);
  const nanos = int32(2);
  return {
    number,
    empty: undefined,
    isEmpty: (value) => value === undefined,
    fromJson(json) {
      const written = textFromJson(json);
      const ms = RFC_3339.test(written) ? Date.parse(written.replace(/(\.\d{3})\d+/, "$1")) : Number.NaN;
      return checkedTimeMs(ms);
    },
    toJson: (value) => (value === undefined ? undefined : new Date(value).toISOString()),
    fromWire(values) {
      const inner = readWire(joined(values));
      const s = Number(innerValue(inner, seconds));
      return checkedTimeMs(s * 1000 + Math.floor(innerValue(inner, nanos) / 1_000_000));
    },
    toWire(value) {
      if (value === undefined) return [];
      const s = Math.floor(value / 1000);
      const fields = [...innerFields(seconds, BigInt(s)), ...innerFields(nanos, (value - s * 1000) * 1_000_000)];
      return [writeWire(fields)];
    },
  };
}

export function messages<T>(
  number: number,
  { fromJson, toJson, fromBinary, toBinary }: Message<T>,
): Field<readonly T[]> {
  return {
    number,
    empty: [],
    isEmpty: (value) => value.length === 0,
    fromJson: (json) => arrayFromJson(json).map(fromJson),
    toJson: (value) => value.map(toJson),
    fromWire: (values) => values.map((value) => fromBinary(bytesFromWire(value))),
    toWire: (value) => value.map(toBinary),
  };
}

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;
/** Years 1 to 9999, as in protobuf's own definition. */
const [MIN_TIME_MS, MAX_TIME_MS] = [Date.parse("0001-01-01T00:00:00Z"), Date.parse("9999-12-31T23:59:59.999Z")];

function wrapper<T>(outer: Field<T>, inner: Field<T>): Field<T | undefined> {
  return {
    number: outer.number,
    empty: undefined,
    isEmpty: (value) => value === undefined,
    fromJson: outer.fromJson,
    toJson: (value) => (value === undefined ? undefined : outer.toJson(value)),
    fromWire: (values) => innerValue(readWire(joined(values)), inner),
    toWire: (value) => (value === undefined ? [] : [writeWire(innerFields(inner, value))]),
  };
}

function innerValue<T>(fields: readonly WireField[], { number, empty, fromWire }: Field<T>): T {
  const values = fields.filter((field) => field.number === number).map(({ value }) => value);
  return values.length === 0 ? empty : fromWire(values);
}

function innerFields<T>({ number, isEmpty, toWire }: Field<T>, value: T): WireField[] {
  return isEmpty(value) ? [] : toWire(value).map((wire) => ({ number, value: wire }));
}

/** A message that comes in parts is all of them. */
function joined(values: readonly WireField["value"][]): Buffer {
  return Buffer.concat(values.map(bytesFromWire));
}

function bytesFromWire(value: WireField["value"] | undefined): Buffer {
  if (!Buffer.isBuffer(value)) throw new MalformedMessage("a number where bytes belong");
  return value;
}

function varintFromWire(value: WireField["value"] | undefined): bigint {
  if (typeof value !== "bigint") throw new MalformedMessage("bytes where a number belongs");
  return value;
}

function textFromWire(value: WireField["value"] | undefined): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesFromWire(value));
  } catch (error) {
    if (error instanceof TypeError) throw new MalformedMessage("not UTF-8");
    throw error;
  }
}

function textFromJson(json: unknown): string {
  if (typeof json !== "string") throw new MalformedMessage("not a text");
  return json;
}

function arrayFromJson(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw new MalformedMessage("not a list");
  return json;
}

/** JavaScript clients send a text, Go ones a number. */
function int64FromJson(json: unknown): bigint {
  const isWhole =
    typeof json === "number" ? Number.isSafeInteger(json) : typeof json === "string" && /^-?\d{1,19}$/.test(json);
  const value = isWhole ? BigInt(String(json)) : undefined;
  if (value === undefined || value !== BigInt.asIntN(64, value)) throw new MalformedMessage("not a whole number");
  return value;
}

function int32FromJson(json: unknown): number {
  const value = int64FromJson(json);
  if (value !== BigInt.asIntN(32, value)) throw new MalformedMessage("out of range");
  return Number(value);
}

function checkedTimeMs(ms: number): number {
  if (!(ms >= MIN_TIME_MS && ms <= MAX_TIME_MS)) throw new MalformedMessage("not a time");
  return ms;
}
