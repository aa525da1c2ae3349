import {
  array,
  assert,
  constantFrom,
  dictionary,
  jsonValue,
  nat,
  oneof,
  property,
  record,
  string,
  uniqueArray,
} from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../expression/json.ts";
import type { Value } from "../expression/template.ts";
import { expandMatrix, MAX_CELLS } from "./expand-matrix.ts";
import type { MatrixExpansion } from "./expand-matrix.ts";

/** The cells as JSON objects, or the message of the refusal. */
function valuesOf(expansion: MatrixExpansion): unknown {
  if (expansion.kind === "refused") return expansion.message;
  return expansion.cells.map((cell) => JSON.parse(JSON.stringify(cell.values)) as unknown);
}

function labelsOf(expansion: MatrixExpansion): readonly string[] {
  return expansion.kind === "refused" ? [expansion.message] : expansion.cells.map((cell) => cell.label);
}

interface Case {
  readonly source: string;
  readonly matrix: Value;
  readonly cells: readonly unknown[];
  readonly labels?: readonly string[];
}

/** "docs" is GitHub's page "Running variations of jobs in a workflow". */
const CASES: readonly Case[] = [
  {
    source: "docs: one dimension",
    matrix: { version: [10, 12, 14] },
    cells: [{ version: 10 }, { version: 12 }, { version: 14 }],
    labels: ["10", "12", "14"],
  },
  {
    source: "docs: two dimensions, the last key fastest",
    matrix: { os: ["ubuntu-22.04", "ubuntu-20.04"], version: [10, 12, 14] },
    cells: [
      { os: "ubuntu-22.04", version: 10 },
      { os: "ubuntu-22.04", version: 12 },
      { os: "ubuntu-22.04", version: 14 },
      { os: "ubuntu-20.04", version: 10 },
      { os: "ubuntu-20.04", version: 12 },
      { os: "ubuntu-20.04", version: 14 },
    ],
    labels: ["ubuntu-22.04, 10", "ubuntu-22.04, 12", "ubuntu-22.04, 14"].concat([
      "ubuntu-20.04, 10",
      "ubuntu-20.04, 12",
      "ubuntu-20.04, 14",
    ]),
  },
  {
    source: "docs: an array of objects",
    matrix: { os: ["ubuntu-latest", "macos-latest"], node: [{ version: 14 }, { version: 20, env: "NODE_OPTIONS=x" }] },
    cells: [
      { os: "ubuntu-latest", node: { version: 14 } },
      { os: "ubuntu-latest", node: { version: 20, env: "NODE_OPTIONS=x" } },
      { os: "macos-latest", node: { version: 14 } },
      { os: "macos-latest", node: { version: 20, env: "NODE_OPTIONS=x" } },
    ],
    labels: ["ubuntu-latest, 14", "ubuntu-latest, 20, NODE_OPTIONS=x"].concat([
      "macos-latest, 14",
      "macos-latest, 20, NODE_OPTIONS=x",
    ]),
  },
  {
    source: "docs: expanding or adding configurations",
    matrix: {
      fruit: ["apple", "pear"],
      animal: ["cat", "dog"],
      include: [
        { color: "green" },
        { color: "pink", animal: "cat" },
        { fruit: "apple", shape: "circle" },
        { fruit: "banana" },
        { fruit: "banana", animal: "cat" },
      ],
    },
    cells: [
      { fruit: "apple", animal: "cat", color: "pink", shape: "circle" },
      { fruit: "apple", animal: "dog", color: "green", shape: "circle" },
      { fruit: "pear", animal: "cat", color: "pink" },
      { fruit: "pear", animal: "dog", color: "green" },
      { fruit: "banana" },
      { fruit: "banana", animal: "cat" },
    ],
    labels: ["apple, cat", "apple, dog", "pear, cat", "pear, dog", "banana", "banana, cat"],
  },
  {
    source: "docs: expanding configurations",
    matrix: {
      os: ["windows-latest", "ubuntu-latest"],
      node: [14, 16],
      include: [{ os: "windows-latest", node: 16, npm: 6 }],
    },
    cells: [
      { os: "windows-latest", node: 14 },
      { os: "windows-latest", node: 16, npm: 6 },
      { os: "ubuntu-latest", node: 14 },
      { os: "ubuntu-latest", node: 16 },
    ],
    labels: ["windows-latest, 14", "windows-latest, 16", "ubuntu-latest, 14", "ubuntu-latest, 16"],
  },
  {
    source: "docs: adding configurations, which list all of their own values",
    matrix: {
      os: ["macos-latest"],
      version: [12],
      include: [{ os: "windows-latest", version: 17, experimental: true }],
    },
    cells: [
      { os: "macos-latest", version: 12 },
      { os: "windows-latest", version: 17, experimental: true },
    ],
    labels: ["macos-latest, 12", "windows-latest, 17, true"],
  },
  {
    source: "docs: include without a matrix",
    matrix: {
      include: [
        { site: "production", datacenter: "site-a" },
        { site: "staging", datacenter: "site-b" },
      ],
    },
    cells: [
      { site: "production", datacenter: "site-a" },
      { site: "staging", datacenter: "site-b" },
    ],
    labels: ["production, site-a", "staging, site-b"],
  },
  {
    source: "docs: excluding configurations by partial match",
    matrix: {
      os: ["macos-latest", "windows-latest"],
      version: [12, 14, 16],
      environment: ["staging", "production"],
      exclude: [
        { os: "macos-latest", version: 12, environment: "production" },
        { os: "windows-latest", version: 16 },
      ],
    },
    cells: [
      { os: "macos-latest", version: 12, environment: "staging" },
      { os: "macos-latest", version: 14, environment: "staging" },
      { os: "macos-latest", version: 14, environment: "production" },
      { os: "macos-latest", version: 16, environment: "staging" },
      { os: "macos-latest", version: 16, environment: "production" },
      { os: "windows-latest", version: 12, environment: "staging" },
      { os: "windows-latest", version: 12, environment: "production" },
      { os: "windows-latest", version: 14, environment: "staging" },
      { os: "windows-latest", version: 14, environment: "production" },
    ],
  },
  {
    source: "docs: include comes after exclude and brings back",
    matrix: { os: ["a", "b"], exclude: [{ os: "a" }], include: [{ os: "a" }] },
    cells: [{ os: "b" }, { os: "a" }],
  },
  {
    source: "§3.5: an include entry never overwrites an original key, a later entry overwrites an earlier one",
    matrix: {
      os: ["a"],
      include: [
        { x: 1, y: 1 },
        { OS: "A", x: 2 },
        { os: "b", x: 3 },
      ],
    },
    cells: [
      { os: "a", x: 2, y: 1 },
      { os: "b", x: 3 },
    ],
    labels: ["a", "b, 3"],
  },
  {
    source: "§3.5: an entry with a filter and nothing else that matches changes nothing",
    matrix: { os: ["a", "b"], include: [{ os: "a" }] },
    cells: [{ os: "a" }, { os: "b" }],
  },
  {
    source: "§3.5: an entry does not see what earlier entries added",
    matrix: { os: ["a"], include: [{ x: 1 }, { x: 1, y: 2 }, { x: 9, z: 3 }] },
    cells: [{ os: "a", x: 9, y: 2, z: 3 }],
  },
  {
    source: "§1.4: keys are case-insensitive, also those of extras",
    matrix: { Os: ["a"], exclude: [], include: [{ Extra: 1 }, { oS: "a", EXTRA: 2 }] },
    cells: [{ Os: "a", Extra: 2 }],
  },
  {
    source: "GitHub's matrix filters compare with ==: case and type do not matter",
    matrix: {
      os: ["Linux", "mac"],
      v: ["1.0", 2, 3],
      exclude: [{ os: "linux", v: 1 }, { v: "2" }, { os: "MAC" }],
    },
    cells: [{ os: "Linux", v: 3 }],
  },
  {
    source: "GitHub's matrix filters compare scalars wherever they are nested, and only those named",
    matrix: {
      c: [{ n: { v: 1, w: 1 }, l: ["x", "y"] }, { n: { v: 2 } }, { l: ["x", "z"] }],
      exclude: [{ c: { N: { v: 1 } } }, { c: { l: ["x", "z"] } }],
    },
    cells: [{ c: { n: { v: 2 } } }],
    labels: ["2"],
  },
  {
    source: "labels leave out nulls and empty strings, and print numbers as GitHub does",
    matrix: { a: [null], b: [""], c: [false], d: [0.1], e: [1e21], f: [["x", ["y"]]] },
    cells: [{ a: null, b: "", c: false, d: 0.1, e: 1e21, f: ["x", ["y"]] }],
    labels: ["false, 0.1, 1E+21, x, y"],
  },
  {
    source: "keys that look like numbers keep their place, and names of JavaScript's own are keys like others",
    matrix: parseJson('{"b": [1], "1": [2], "__proto__": [3], "constructor": [4]}'),
    cells: [{ b: 1, "1": 2, ["__proto__"]: 3, constructor: 4 }],
    labels: ["1, 2, 3, 4"],
  },
];

const REFUSED: readonly [message: string, matrix: Value][] = [
  ["Matrix must be a mapping", null],
  ["Matrix must be a mapping", "linux"],
  ["Matrix must be a mapping", [1]],
  ["Matrix must define at least one vector", {}],
  ["Matrix must define at least one vector", { include: [] }],
  ["Matrix must define at least one vector", { exclude: [] }],
  ["Matrix vector 'os' does not contain any values", { os: [], version: [10, 12] }],
  ["Matrix vector 'os' must be a sequence", { os: "linux" }],
  ["Matrix vector 'OS' is defined more than once", { os: [1], OS: [2] }],
  ["Matrix include must be a sequence", { include: { a: 1 } }],
  ["Matrix include must be a sequence of mappings", { include: ["a"] }],
  ["Matrix include mapping does not contain any values", { os: ["a"], include: [{}] }],
  ["Matrix exclude filter must not be empty", { os: ["a"], exclude: [{}] }],
  ["Matrix exclude key 'arch' does not match any key within the matrix", { os: ["a"], exclude: [{ arch: 1 }] }],
];

describe("expandMatrix", () => {
  it.each(CASES)("$source", ({ matrix, cells, labels }) => {
    const before = JSON.stringify(matrix);
    const expansion = expandMatrix(matrix);
    expect(valuesOf(expansion)).toEqual(cells);
    expect(labelsOf(expansion)).toEqual(labels ?? labelsOf(expansion));
    expect(JSON.stringify(matrix)).toBe(before);
  });

  it.each(REFUSED)("says: %s", (message, matrix) => {
    expect(expandMatrix(matrix)).toEqual({ kind: "refused", message });
  });

  it("accepts 256 cells and refuses 257, naming the count", () => {
    expect(labelsOf(expandMatrix({ a: numbers(16), b: numbers(16) }))).toHaveLength(256);
    const message = "Matrix would make 257 jobs; the limit is 256";
    expect(expandMatrix({ a: numbers(257) })).toEqual({ kind: "refused", message });
    expect(expandMatrix({ a: numbers(256), include: [{ a: "x" }] })).toEqual({ kind: "refused", message });
  });

  it("counts what exclude leaves", () => {
    const expansion = expandMatrix({ a: numbers(20), b: numbers(20), exclude: numbers(19).map((b) => ({ b })) });
    expect(labelsOf(expansion)).toHaveLength(20);
    expect(expandMatrix({ a: numbers(20), b: numbers(20), exclude: [{ b: 0 }] })).toEqual({
      kind: "refused",
      message: "Matrix would make more than 256 jobs; the limit is 256",
    });
  });

  it("refuses an exploding matrix before expanding it", () => {
    const vectors = Object.fromEntries(numbers(10).map((key) => [`k${key}`, numbers(100)]));
    const startedMs = performance.now();
    for (const matrix of [vectors, { ...vectors, exclude: [{ k1: 1 }] }]) {
      expect(expandMatrix(matrix)).toEqual({
        kind: "refused",
        message: "Matrix would make 100000000000000000000 jobs; the limit is 256",
      });
    }
    expect(performance.now() - startedMs).toBeLessThan(50);
  });

  it("cuts labels to 100 characters, as GitHub does with the names they are in", () => {
    expect(labelsOf(expandMatrix({ a: ["x".repeat(100)] }))).toEqual(["x".repeat(100)]);
    expect(labelsOf(expandMatrix({ a: ["x".repeat(300)] }))).toEqual([`${"x".repeat(97)}...`]);
  });
});

const scalar = oneof(
  constantFrom<Value>("a", "b", "", 1, 2, true, null),
  constantFrom<Value>({ v: 1 }, { v: "a" }, ["a"]),
);
const entry = dictionary(constantFrom("os", "Node", "arch", "extra"), scalar, { minKeys: 1 });
const matrix = record({
  vectors: dictionary(constantFrom("os", "node", "arch"), array(scalar, { minLength: 1, maxLength: 8 }), {
    minKeys: 1,
  }),
  include: array(entry, { maxLength: 4 }),
  exclude: array(dictionary(constantFrom("os", "node", "arch"), scalar, { minKeys: 1 }), { maxLength: 2 }),
});

describe("expandMatrix, whatever the matrix", () => {
  it("holds between one and 256 cells, changes nothing it was given and never overwrites an original key", () => {
    assert(
      property(matrix, ({ vectors, include, exclude }) => {
        const known = exclude.filter((filter) => Object.keys(filter).every((key) => key in vectors));
        const input = { ...vectors, include, exclude: known };
        const before = JSON.stringify(input);
        const expansion = expandMatrix(input);
        expect(JSON.stringify(input)).toBe(before);
        const plain = expandMatrix({ ...vectors, exclude: known });
        // Where everything is excluded, the one job that runs all the same gives way to what include adds.
        const originals =
          plain.kind === "cells" ? plain.cells.filter(({ values }) => Object.keys(values).length > 0) : [];
        const cells = expansion.kind === "cells" ? expansion.cells : originals;
        expect(cells.length).toBeLessThanOrEqual(MAX_CELLS);
        expect(expansion.kind === "refused" || cells.length > 0).toBe(true);
        expect(cells.length).toBeLessThanOrEqual(Math.max(originals.length + include.length, 1));
        for (const [index, original] of originals.entries()) {
          expect(cells[index]?.values).toMatchObject(original.values);
          expect(cells[index]?.label).toBe(original.label);
        }
      }),
    );
  });

  it("is the full product without include and exclude, each combination once", () => {
    const values = uniqueArray(nat(20), { minLength: 1, maxLength: 6 });
    assert(
      property(dictionary(string({ minLength: 3, maxLength: 5 }), values, { minKeys: 1, maxKeys: 3 }), (vectors) => {
        const expansion = expandMatrix(vectors);
        const cells = expansion.kind === "cells" ? expansion.cells.map(({ values }) => JSON.stringify(values)) : [];
        const product = Object.values(vectors).reduce((count, vector) => count * vector.length, 1);
        const spelled =
          new Set(Object.keys(vectors).map((key) => key.toLowerCase())).size === Object.keys(vectors).length;
        expect(new Set(cells).size).toBe(spelled ? product : 0);
      }),
    );
  });

  it("never throws, whatever JSON it is given", () => {
    assert(
      property(jsonValue(), jsonValue(), (value, include) => {
        expandMatrix(parseJson(JSON.stringify(value)));
        expandMatrix(parseJson(JSON.stringify({ a: [value], include, exclude: include })));
      }),
    );
  });
});

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
