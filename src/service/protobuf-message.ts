/**
 * Messages of GitHub's results service, defined once and written in both of their forms: binary, and protobuf's own kind of JSON. A
 * field that is not there has its type's empty value, and empty values are not written. Fields that nobody knows are passed over, as
 * clients grow faster than this table.
 * Source: protobuf.dev "Encoding" and "ProtoJSON format"; ACTIONS-CONTRACT §5.2 (snake_case out, either case in).
 */
import { MalformedMessage, readWire, writeWire } from "./protobuf-wire.ts";
import type { WireField } from "./protobuf-wire.ts";

export interface Message<T> {
  /** Throws `MalformedMessage`. */
  readonly fromJson: (json: unknown) => T;
  readonly toJson: (value: Partial<T>) => { [name: string]: unknown };
  /** Throws `MalformedMessage`. */
  readonly fromBinary: (bytes: Buffer) => T;
  readonly toBinary: (value: Partial<T>) => Buffer;
}

export interface Field<T> {
  readonly number: number;
  readonly empty: T;
  readonly isEmpty: (value: T) => boolean;
  /** Never given `null` or `undefined`. Throws `MalformedMessage`. */
  readonly fromJson: (json: unknown) => T;
  readonly toJson: (value: T) => unknown;
  /** All values under this number, in their order; at least one. Throws `MalformedMessage`. */
  readonly fromWire: (values: readonly WireField["value"][]) => T;
  readonly toWire: (value: T) => readonly WireField["value"][];
}

type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

export type MessageOf<M> = M extends Message<infer T> ? T : never;

/** Fields are named as in the code, `sizeBytes`; JSON has `size_bytes`. */
export function message<T extends object>(fields: Fields<T>): Message<T> {
  const names = namesOf(fields);
  const make = (valueOf: <K extends keyof T>(name: K, field: Field<T[K]>) => T[K]): T => {
    const made: Partial<T> = {};
    for (const name of names) made[name] = valueOf(name, fields[name]);
    return complete(made);
  };
  const written = <W>(
    value: Partial<T>,
    write: <K extends keyof T>(field: Field<T[K]>, one: T[K], name: K) => W,
  ): W[] =>
    names.flatMap((name) => {
      const one = value[name];
      return one === undefined || fields[name].isEmpty(one) ? [] : [write(fields[name], one, name)];
    });
  return {
    fromJson(json) {
      if (typeof json !== "object" || json === null || Array.isArray(json)) throw new MalformedMessage("not an object");
      const given = new Map<string, unknown>(Object.entries(json));
      return make((name, field) => {
        const value = given.get(snakeCase(String(name))) ?? given.get(String(name));
        if (value === undefined || value === null) return field.empty;
        return inField(String(name), () => field.fromJson(value));
      });
    },
    toJson: (value) =>
      Object.fromEntries(written(value, (field, one, name) => [snakeCase(String(name)), field.toJson(one)])),
    fromBinary(bytes) {
      const given = Map.groupBy(readWire(bytes), ({ number }) => number);
      return make((name, field) => {
        const values = given.get(field.number)?.map(({ value }) => value);
        return values === undefined ? field.empty : inField(String(name), () => field.fromWire(values));
      });
    },
    toBinary: (value) =>
      writeWire(
        written(value, ({ number, toWire }, one) => toWire(one).map((wire) => ({ number, value: wire }))).flat(),
      ),
  };

  /** Every name was given a value above. */
  function complete(made: Partial<T>): T {
    if (!isComplete(made)) throw new Error("a field was left out");
    return made;
  }

  function isComplete(made: Partial<T>): made is T {
    return names.every((name) => name in made);
  }
}

function namesOf<T extends object>(fields: Fields<T>): (keyof T)[] {
  const names: (keyof T)[] = [];
  for (const name in fields) names.push(name);
  return names;
}

function inField<R>(name: string, work: () => R): R {
  try {
    return work();
  } catch (error) {
    if (error instanceof MalformedMessage) throw new MalformedMessage(`${snakeCase(name)}: ${error.message}`);
    throw error;
  }
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
