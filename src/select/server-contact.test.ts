import { describe, expect, it } from "vitest";
import { untilAborted } from "../lib/deadline.ts";
import { ServerContact } from "./server-contact.ts";

const never = (signal: AbortSignal): Promise<never> => untilAborted(new Promise<never>(() => undefined), signal);
const patient = new AbortController().signal;

describe("a server that does not answer", () => {
  it("is waited for once, by all who ask at the same time and after that", async () => {
    const contact = new ServerContact("https://example.com", 5);
    const asked = [1, 2, 3].map(() => contact.ask(never, patient));
    for (const one of asked) await expect(one).rejects.toThrow("no answer from https://example.com within 0.005 s");
    let wasAsked = false;
    const late = contact.ask(async () => (wasAsked = true), patient);
    await expect(late).rejects.toThrow("no answer");
    expect(wasAsked).toBe(false);
  });

  it("is not what one is that fails at once, or whose asker gives up", async () => {
    const contact = new ServerContact("https://example.com", 60_000);
    const broken = contact.ask(() => Promise.reject(new Error("refused")), patient);
    await expect(broken).rejects.toThrow("refused");
    const gone = AbortSignal.abort(new Error("cancelled"));
    await expect(contact.ask(never, gone)).rejects.toThrow("cancelled");
    expect(await contact.ask(async () => "answer", patient)).toBe("answer");
  });
});
