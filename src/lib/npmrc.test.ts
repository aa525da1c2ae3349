import { expect, it } from "vitest";
import { registryFromNpmrc } from "./npmrc.ts";

it.each([
  ["registry=https://a.example/npm", "https://a.example/npm"],
  ['; registry=https://no.example\n# registry=x\n registry = "https://a.example/" ', "https://a.example/"],
  ["registry=https://a.example\nregistry=https://b.example", "https://b.example"],
  ["registry=https://${HOST}/${MISSING}", "https://h.example/${MISSING}"],
  ["@scope:registry=https://no.example\n//a.example/:_authToken=secret", undefined],
  ["[section]\nregistry=https://no.example", undefined],
  ["registry=", undefined],
  ["", undefined],
])("reads the registry of %j", (text, registry) => {
  expect(registryFromNpmrc(text, { HOST: "h.example" })).toBe(registry);
});
