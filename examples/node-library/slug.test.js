import assert from "node:assert/strict";
import { test } from "node:test";
import { slug } from "./slug.js";

test("letters and digits stay", () => assert.equal(slug("Node 24"), "node-24"));
test("accents are dropped", () => assert.equal(slug("Crème brûlée"), "creme-brulee"));
test("nothing hangs over at the ends", () => assert.equal(slug("  Hello, world!  "), "hello-world"));
