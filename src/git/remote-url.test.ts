import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { localName, parseRemoteUrl } from "./remote-url.ts";

describe("parseRemoteUrl", () => {
  it.each([
    ["https://github.com/octo/hello.git"],
    ["https://github.com/octo/hello"],
    ["https://github.com/octo/hello/"],
    ["https://token@github.com/octo/hello.git"],
    ["https://user:p%40ss@github.example:8443/octo/hello"],
    ["ssh://git@github.com/octo/hello.git"],
    ["ssh://git@github.com:22/octo/hello"],
    ["git://github.com/octo/hello"],
    ["git@github.com:octo/hello.git"],
    ["work-github:octo/hello"],
  ])("reads owner and name from %s", (url) => {
    expect(parseRemoteUrl(url)).toEqual({ owner: "octo", name: "hello" });
  });

  it.each([
    [""],
    ["/srv/git/octo/hello.git"],
    ["../hello"],
    ["file:///srv/octo/hello"],
    ["https://gitlab.com/group/sub/hello"],
    ["https://github.com/octo"],
    ["https://github.com/octo/.."],
    ["https://github.com/../hello"],
    ["https://github.com/-octo/hello"],
    ["git@github.com:octo/he llo"],
    ["git@github.com:/octo/hello"],
    ["ext::sh -c touch% /pwn"],
    ["https://github.com/octo/hello\n/x"],
  ])("reads nothing from %j", (url) => {
    expect(parseRemoteUrl(url)).toBeUndefined();
  });

  it("never gives a name that leads elsewhere as a path", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((path) => `https://h/${path}`),
        ),
        (url) => {
          const name = parseRemoteUrl(url);
          if (name === undefined) return;
          expect(`${name.owner}/${name.name}`).toMatch(/^\w[\w-]*\/[\w.][\w.-]*$/);
          expect(name.name).not.toMatch(/^\.{1,2}$/);
        },
      ),
    );
  });
});

describe("localName", () => {
  it.each([
    ["hello", "hello"],
    ["my project (2)", "my-project--2-"],
    ["-rf", "rf"],
    ["..", "repository"],
    ["", "repository"],
    ["äé", "repository"],
  ])("makes a name of the directory %j", (directory, name) => {
    expect(localName(directory)).toEqual({ owner: "local", name });
  });
});
