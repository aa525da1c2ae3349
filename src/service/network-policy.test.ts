import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { askPolicy, formatPlace, parsePlace } from "./network-policy.ts";

describe("parsePlace", () => {
  it.each([
    ["example.com:443", "example.com", 443],
    ["EXAMPLE.com.:443", "example.com", 443],
    ["under_score.example.com:80", "under_score.example.com", 80],
    ["127.0.0.1:1", "127.0.0.1", 1],
    ["0x7f.1:80", "127.0.0.1", 80],
    ["2130706433:80", "127.0.0.1", 80],
    ["0177.0.0.1:80", "127.0.0.1", 80],
    ["127.1:80", "127.0.0.1", 80],
    ["127.0.0.1.:80", "127.0.0.1", 80],
    ["0xa9fea9fe:80", "169.254.169.254", 80],
    ["[::FFFF:127.0.0.1]:80", "::ffff:7f00:1", 80],
    ["[0:0:0:0:0:0:0:1]:80", "::1", 80],
  ])("reads %s as %s, port %i", (authority, host, port) => {
    expect(parsePlace(authority)).toEqual({ host, port });
  });

  it.each([
    "",
    "example.com",
    "example.com:",
    "example.com:0",
    "example.com:65536",
    "example.com:443/path",
    "user@example.com:443",
    "allowed.com@evil.com:443",
    "allowed.com#@evil.com:443",
    "allowed.com\\@evil.com:443",
    "%65xample.com:443",
    "exa\0mple.com:443",
    "exa mple.com:443",
    "a..b:443",
    ".example.com:443",
    "example.com..:443",
    "::1:443",
    "[::1%25eth0]:443",
    "[fe80::1%eth0]:443",
    "256.1.1.1:443",
    "1.2.3.4.5:443",
    "exämple.com:443",
    "a".repeat(64) + ".com:443",
    "a.".repeat(150) + "com:443",
  ])("does not read %j", (authority) => {
    expect(parsePlace(authority)).toBeUndefined();
  });

  it("gives every place back from how it is written", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6().map((v6) => `[${v6}]`),
          fc.domain(),
        ),
        fc.integer({ min: 1, max: 65_535 }),
        (host, port) => {
          const place = parsePlace(`${host}:${port}`);
          expect(place === undefined ? "unread" : parsePlace(formatPlace(place), place.port)).toEqual(place);
        },
      ),
    );
  });
});

describe("askPolicy", () => {
  const policy = {
    kind: "allow" as const,
    hosts: [
      "Example.com",
      "*.wild.example",
      "registry.example:4873",
      "127.0.0.1:9",
      "[::1]:9",
      "*.8.8.8",
      "bad entry",
      "%",
    ],
  };

  it.each([
    ["example.com:443", true],
    ["example.com:80", true],
    ["EXAMPLE.COM.:443", true],
    ["a.wild.example:443", true],
    ["a.b.wild.example:80", true],
    ["registry.example:4873", true],
    ["127.0.0.1:9", true],
    ["0x7f.1:9", true],
    ["[0::1]:9", true],
    ["example.com:22", false],
    ["sub.example.com:443", false],
    ["notexample.com:443", false],
    ["example.com.evil.test:443", false],
    ["wild.example:443", false],
    ["evilwild.example:443", false],
    ["a.wild.example:8080", false],
    ["registry.example:443", false],
    ["127.0.0.1:80", false],
    ["[::ffff:127.0.0.1]:9", false],
    ["8.8.8.8:443", false],
  ])("answers for %s: %s", (authority, allowed) => {
    const place = parsePlace(authority);
    expect(place === undefined ? "unread" : askPolicy(policy, place).allowed).toBe(allowed);
  });

  it("lets nothing through when closed and everything by name when open", () => {
    const place = { host: "example.com", port: 25 };
    expect(askPolicy({ kind: "closed" }, place)).toEqual({ allowed: false });
    expect(askPolicy({ kind: "open" }, place)).toEqual({ allowed: true, named: false });
  });
});
