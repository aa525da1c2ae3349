import { expect, it } from "vitest";
import { accountEnvironment, findAccount, hostEnvironment } from "./account.ts";

const passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nrunner:x:1001:121:,,,:/home/runner:/bin/bash\n";

it("finds an account by its whole name", () => {
  expect(findAccount(passwd, "runner")).toEqual({ name: "runner", uid: 1001, gid: 121, home: "/home/runner" });
  expect(findAccount(passwd, "run")).toBeUndefined();
  expect(findAccount(passwd, "broken")).toBeUndefined();
});

it("reads /etc/environment as pam_env does, and lets the account's own names win", () => {
  const account = { name: "runner", uid: 1001, gid: 121, home: "/home/runner" };
  const etc =
    '# comment\nPATH="/opt/bin:/usr/bin"\nexport ImageOS=debian12\nHOME=/elsewhere\nSPACED = no\nQ=\'a "b"\'\n';
  expect(accountEnvironment(account, etc)).toEqual({
    PATH: "/opt/bin:/usr/bin",
    LANG: "C.UTF-8",
    ImageOS: "debian12",
    Q: 'a "b"',
    HOME: "/home/runner",
    USER: "runner",
    LOGNAME: "runner",
  });
});

it("passes on the host's environment but what addresses Hearth", () => {
  expect(hostEnvironment({ PATH: "/bin", HEARTH_TOKEN: "x", GONE: undefined })).toEqual({ PATH: "/bin" });
});
