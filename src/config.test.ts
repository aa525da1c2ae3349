import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Flags } from "./commands/hearth.ts";
import { loadConfig, readCertificateAuthorities } from "./config.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "hearth-config-"));
});
afterEach(() => rmSync(home, { recursive: true }));

function config(flags: Flags = {}, environment: Readonly<Record<string, string>> = {}, directory = "/work") {
  return loadConfig(flags, { HOME: home, ...environment }, directory);
}

function settingOf(name: string, ...from: Parameters<typeof config>) {
  return config(...from).settings.find((setting) => setting.name === name);
}

describe("directories", () => {
  it("follow XDG, a relative XDG path being invalid", () => {
    expect(config()).toMatchObject({ dataDir: `${home}/.local/share/hearth`, stateDir: `${home}/.local/state/hearth` });
    const xdg = { XDG_DATA_HOME: "/d", XDG_STATE_HOME: "/s", XDG_RUNTIME_DIR: "/r" };
    expect(config({}, xdg)).toMatchObject({ dataDir: "/d/hearth", stateDir: "/s/hearth", runDir: "/r/hearth" });
    expect(config({}, { XDG_STATE_HOME: "s" }).stateDir).toBe(`${home}/.local/state/hearth`);
    expect(config({}, { TMPDIR: "/t" }).runDir).toBe(`/t/hearth-${process.getuid?.() ?? 0}`);
  });

  it("are set by the flag before the variable, relative to the working directory", () => {
    expect(config({ state: "kept" }, { HEARTH_STATE: "/other" }).stateDir).toBe("/work/kept");
    expect(config({}, { HEARTH_STATE: "/other", HEARTH_DATA: "data" })).toMatchObject({
      stateDir: "/other",
      dataDir: "/work/data",
    });
    expect(config({}, { HEARTH_STATE: "" }).stateDir).toBe(`${home}/.local/state/hearth`);
  });
});

describe("numbers and names", () => {
  it("come from flags and variables and know from where", () => {
    expect(config({ concurrency: 3 }, { MAX_CONCURRENT_WORKFLOWS: "7" }).concurrency).toBe(3);
    expect(settingOf("concurrency", {}, { MAX_CONCURRENT_WORKFLOWS: "7" })).toMatchObject({
      value: "7",
      source: "$MAX_CONCURRENT_WORKFLOWS",
    });
    expect(settingOf("machine memory", {}, { HEARTH_MACHINE_MEMORY_MIB: "2048" })).toMatchObject({
      value: "2048",
      unit: "MiB",
    });
    expect(config({ provider: "gvisor" }).provider).toBe("gvisor");
    expect(config().provider).toBeUndefined();
  });

  it("have defaults that fit any host", () => {
    const { concurrency, machineCpus, machineMemoryMib } = config();
    expect(concurrency).toBeGreaterThanOrEqual(1);
    expect(machineCpus).toBeGreaterThanOrEqual(1);
    expect(machineMemoryMib).toBeGreaterThanOrEqual(1024);
  });

  it.each([
    ["MAX_CONCURRENT_WORKFLOWS", "0"],
    ["MAX_CONCURRENT_WORKFLOWS", "1e3"],
    ["HEARTH_PROVIDER", "docker"],
    ["HEARTH_NETWORK", "half-open"],
    ["HEARTH_ALLOW_HOSTS", "https://example.com"],
  ])("refuse $%s=%s, naming the variable", (name, value) => {
    expect(() => config({}, { [name]: value })).toThrow(`Cannot use $${name} "${value}": expected`);
  });
});

const networkOf = (flags: Flags, environment = {}) => {
  const { network, repositoryNetwork } = config(flags, environment);
  return [network, repositoryNetwork];
};

describe("the API", () => {
  it("is this host's, until GitHub's is asked for; its address is GitHub's unless the environment says otherwise", () => {
    expect(config()).toMatchObject({ api: "local", apiUrl: "https://api.github.com", apiStateFile: undefined });
    const asked = config({ api: "github", apiState: "s.json" }, { GITHUB_API_URL: "https://ghe.example/api/v3/" });
    expect(asked).toMatchObject({
      api: "github",
      apiUrl: "https://ghe.example/api/v3",
      apiStateFile: { path: expect.stringMatching(/^\/.*\/s\.json$/), source: "--api-state" },
    });
    expect(() => config({}, { HEARTH_API: "gitlab" })).toThrow("expected local or github");
    expect(() => config({}, { GITHUB_API_URL: "https://user:secret@ghe.example" })).toThrow("without credentials");
  });
});

describe("the network", () => {
  it("takes what the repository lists only when told to, beside hosts of one's own", () => {
    expect(networkOf({})).toEqual([{ kind: "closed" }, false]);
    expect(networkOf({ network: "repository" })).toEqual([{ kind: "closed" }, true]);
    expect(networkOf({}, { HEARTH_NETWORK: "repository" })).toEqual([{ kind: "closed" }, true]);
    expect(networkOf({ network: "repository", allowHost: ["a.example"] })).toEqual([
      { kind: "allow", hosts: ["a.example"] },
      true,
    ]);
    expect(networkOf({ network: "closed" }, { HEARTH_NETWORK: "repository" })).toEqual([{ kind: "closed" }, false]);
  });

  it("is closed unless something opens it", () => {
    expect(config().network).toEqual({ kind: "closed" });
    expect(config({ network: "open" }, { HEARTH_NETWORK: "closed" }).network).toEqual({ kind: "open" });
    expect(config({ allowHost: ["a.example", "*.b.example:8443"] }).network).toEqual({
      kind: "allow",
      hosts: ["a.example", "*.b.example:8443"],
    });
    expect(config({}, { HEARTH_ALLOW_HOSTS: "a.example, b.example" }).network).toMatchObject({
      hosts: ["a.example", "b.example"],
    });
  });

  it("is what the flags say where there are flags, not a mixture with the variables", () => {
    expect(config({ network: "closed" }, { HEARTH_ALLOW_HOSTS: "a.example" }).network).toEqual({ kind: "closed" });
    expect(config({ allowHost: ["a.example"] }, { HEARTH_NETWORK: "open" }).network.kind).toBe("allow");
  });
});

describe("the npm registry", () => {
  it("is looked for as npm does: environment, the repository's .npmrc, the user's", () => {
    expect(config().npmRegistry).toBe("https://registry.npmjs.org/");
    writeFileSync(join(home, ".npmrc"), "registry=https://user.example/npm\n");
    expect(config().npmRegistry).toBe("https://user.example/npm/");
    const repository = join(home, "repository");
    mkdirSync(join(repository, ".git"), { recursive: true });
    mkdirSync(join(repository, "packages/a"), { recursive: true });
    writeFileSync(join(repository, ".npmrc"), "registry=https://repository.example/\n");
    expect(config({}, {}, join(repository, "packages/a")).npmRegistry).toBe("https://repository.example/");
    expect(config({}, { npm_config_registry: "https://env.example/" }, repository).npmRegistry).toBe(
      "https://env.example/",
    );
    expect(config({}, { NPM_CONFIG_USERCONFIG: "/nowhere" }).npmRegistry).toBe("https://registry.npmjs.org/");
  });

  it("is shown without its credentials", () => {
    const setting = settingOf("npm registry", {}, { npm_config_registry: "https://me:hunter2@npm.example/" });
    expect(setting?.value).toBe("https://***@npm.example/");
  });
});

describe("the proxy", () => {
  it("is the host's own, http or https, shown without credentials", () => {
    const environment = { HTTPS_PROXY: "me:hunter2@proxy:3128", NO_PROXY: "localhost, .internal" };
    expect(config({}, environment).upstreamProxy).toEqual({
      url: "http://me:hunter2@proxy:3128",
      noProxy: ["localhost", ".internal"],
    });
    expect(settingOf("proxy", {}, environment)?.value).toBe("***@proxy:3128");
    expect(config().upstreamProxy).toBeUndefined();
  });

  it("is not used when we cannot speak to it, and doctor says so", () => {
    expect(config({}, { HTTPS_PROXY: "socks5://proxy" }).upstreamProxy).toBeUndefined();
    expect(settingOf("proxy", {}, { HTTPS_PROXY: "socks5://proxy" })?.doc).toContain("not used");
  });
});

const pem = (body: string) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`;

describe("certificate authorities", () => {
  it("are all that flags and variables name, each once", async () => {
    writeFileSync(join(home, "a.pem"), `# root\n${pem("AAAA")}\n${pem("BBBB")}\n`);
    writeFileSync(join(home, "b.pem"), pem("BBBB"));
    const both = config({ caFile: ["a.pem"] }, { NODE_EXTRA_CA_CERTS: join(home, "b.pem") }, home);
    expect(await readCertificateAuthorities(both)).toBe(`${pem("AAAA")}\n${pem("BBBB")}\n`);
    expect(await readCertificateAuthorities(config())).toBeUndefined();
  });

  it("are an error where a file holds none, naming what named it", async () => {
    const missing = config({}, { SSL_CERT_FILE: "/nowhere.pem" });
    await expect(readCertificateAuthorities(missing)).rejects.toMatchObject({
      code: "BAD_CONFIG",
      message: expect.stringContaining("/nowhere.pem from $SSL_CERT_FILE"),
      hint: "Correct or unset SSL_CERT_FILE.",
    });
  });
});

it("is frozen, and every setting has a line of documentation and a source", () => {
  const loaded = config({}, { HTTPS_PROXY: "http://p", SSL_CERT_FILE: "/c" });
  expect(Object.isFrozen(loaded)).toBe(true);
  for (const setting of loaded.settings) {
    expect(setting.doc).not.toBe("");
    expect(setting.source).not.toBe("");
  }
});

describe("traces", () => {
  it("are among the settings only where a collector is named", () => {
    expect(config().traces).toEqual({ kind: "off" });
    expect(settingOf("traces")).toBeUndefined();
    const named = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_EXPORTER_OTLP_HEADERS: "k=canary" };
    expect(settingOf("traces", {}, named)).toMatchObject({
      value: "http://c:4318/v1/traces as hearth, with headers",
      source: "$OTEL_EXPORTER_OTLP_ENDPOINT",
    });
    const unusable = { OTEL_EXPORTER_OTLP_ENDPOINT: "c" };
    expect(settingOf("traces", {}, unusable)).toMatchObject({ value: expect.stringMatching(/^not sent/u) });
  });
});
