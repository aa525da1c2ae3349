import { describe, expect, it } from "vitest";
import { loadServerConfig } from "./server-config.ts";

const SECRET = "0123456789abcdef";
const app = { GITHUB_APP_ID: "42", GITHUB_APP_PRIVATE_KEY_FILE: "app.pem", GITHUB_WEBHOOK_SECRET: SECRET };
const load = (environment: Readonly<Record<string, string>>) => loadServerConfig(environment, "/srv");

describe("settings of a server", () => {
  it("want a list of repositories for a GitHub App, which others may install", () => {
    expect(() => load(app)).toThrow(expect.objectContaining({ code: "BAD_CONFIG" }));
    expect(() => load({ ...app, HEARTH_REPOSITORIES: " , " })).toThrow("HEARTH_REPOSITORIES");
    const listed = load({ ...app, HEARTH_REPOSITORIES: "Octo/Hello, team/*" });
    expect(listed.repositories).toEqual(["octo/hello", "team/*"]);
    expect(listed.app).toEqual({ id: "42", keyFile: "/srv/app.pem" });
  });

  it("want none for a webhook, whose secret only its owner has", () => {
    expect(load({ GITHUB_WEBHOOK_SECRET: SECRET }).repositories).toBeUndefined();
  });

  it("name environments that ask", () => {
    expect(load({}).askedEnvironments).toEqual([]);
    expect(load({ HEARTH_APPROVE_ENVIRONMENTS: "Production,*" }).askedEnvironments).toEqual(["production", "*"]);
  });

  it.each([
    ["half of an App", { GITHUB_APP_ID: "42" }],
    ["a secret that can be guessed", { GITHUB_WEBHOOK_SECRET: "secret" }],
    ["an address with a password", { HEARTH_PUBLIC_URL: "https://a:b@ci.example.org" }],
    ["a port that there is not", { PORT: "65536" }],
    ["a number with a sign", { HEARTH_KEEP_DAYS: "-1" }],
  ])("refuse %s, naming the variable", (_what, environment) => {
    expect(() => load(environment)).toThrow(/^Cannot use \$[A-Z_]+: expected /u);
  });

  it("show no secret", () => {
    const { settings } = load({ GITHUB_WEBHOOK_SECRET: SECRET });
    expect(JSON.stringify(settings)).not.toContain(SECRET);
    expect(settings.find(({ name }) => name === "webhook secret")).toMatchObject({ value: "***" });
  });
});
