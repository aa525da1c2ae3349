/**
 * The binary form of protocol buffers, as far as the services need it: field numbers with varints or bytes.
 * Source: protobuf.dev, "Encoding". Bytes come from hostile machines, so every length is checked before it is believed.
 */

/** What came under one field number: a varint, or bytes. Fixed-width numbers are read as bytes, and no field of ours takes them. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Buffer;
}

/** The message is not what its definition says; for the client. */
export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
}

export function readWire(bytes: Buffer): WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new MalformedMessage("the message ends in the middle of a number");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessage("a number is too long");
  };
  const take = (length: number): Buffer => {
    if (length > bytes.length - at) throw new MalformedMessage("the message ends in the middle of a field");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    if (number < 1 || number > MAX_FIELD_NUMBER) throw new MalformedMessage(`there is no field ${number}`);
    if (fields.length >= MAX_FIELDS) throw new MalformedMessage("the message has too many fields");
    fields.push({ number, value: readValue(tag % 8) });
  }
  return fields;

  function readValue(wireType: number): bigint | Buffer {
    switch (wireType) {
      case WIRE_VARINT:
        return varint();
      case WIRE_BYTES:
        return take(Number(varint()));
      case WIRE_64_BIT:
        return take(8);
      case WIRE_32_BIT:
        return take(4);
      default:
        throw new MalformedMessage(`wire type ${wireType} is not in use`);
    }
  }
}

export function writeWire(fields: readonly WireField[]): Buffer {
  return Buffer.concat(
    fields.flatMap(({ number, value }) =>
      typeof value === "bigint"
        ? [varintOf(BigInt(number * 8 + WIRE_VARINT)), varintOf(BigInt.asUintN(64, value))]
        : [varintOf(BigInt(number * 8 + WIRE_BYTES)), varintOf(BigInt(value.length)), value],
    ),
  );
}

const WIRE_VARINT = 0;
const WIRE_64_BIT = 1;
const WIRE_BYTES = 2;
const WIRE_32_BIT = 5;
const MAX_FIELD_NUMBER = 2 ** 29 - 1;
const MAX_FIELDS = 10_000;

function varintOf(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    const low = Number(rest & 0x7fn);
    if (rest < 0x80n) return Buffer.from([...bytes, low]);
    bytes.push(low | 0x80);
  }
}
