import { describe, expect, it } from "vitest";
import { isServed } from "./served-repositories.ts";

const secret = "0123456789abcdef";

describe("repositories that a server runs", () => {
  it.each([
    ["a repository of this host, signed or not", undefined, undefined, "Octo/Hello", true],
    ["no other one where nothing is signed", undefined, undefined, "octo/other", false],
    ["nor where a list names it and nothing is signed", undefined, ["octo/other"], "octo/other", false],
    ["any that signs, without a list", secret, undefined, "octo/other", true],
    ["a listed one, however it is spelled", secret, ["octo/other"], "OCTO/Other", true],
    ["none beside the list", secret, ["octo/other"], "octo/third", false],
    ["all of a listed owner", secret, ["octo/*"], "octo/third", true],
    ["and of no owner with a longer name", secret, ["octo/*"], "octopus/third", false],
    ["none of which part of the name is listed", secret, ["octo/other"], "octo/other/x", false],
  ] as const)("are %s", (_what, webhookSecret, repositories, repository, expected) => {
    const local = [{ owner: "octo", name: "hello" }];
    expect(isServed({ local, webhookSecret, repositories }, repository)).toBe(expected);
  });
});
