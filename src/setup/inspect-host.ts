/** What this host can do, line by line, each fault with its fix: for `hearth doctor`. Changes nothing. */
import { listImages } from "../image/image-store.ts";
import { findKernel } from "../image/kernel.ts";
import { runCommand } from "../lib/run-command.ts";
import type { Candidate } from "../provider/choose-provider.ts";
import type { Probe, ProviderName } from "../provider/provider.ts";

export interface DoctorLine {
  readonly status: "pass" | "fail" | "info";
  readonly subject: string;
  readonly detail: string;
  /** What to type; only with `fail`. */
  readonly fix: string | undefined;
  /** Set when the line says whether this provider works here. */
  readonly provider: ProviderName | undefined;
}

export async function* inspectHost(host: {
  readonly dataDir: string;
  readonly candidates: readonly (Candidate & { readonly label: string })[];
}): AsyncGenerator<DoctorLine> {
  yield await inspectGit();
  const images = await listImages(host.dataDir);
  const [newest] = images;
  yield newest === undefined
    ? fail("guest image", "none yet", "hearth image build")
    : pass("guest image", `${newest.name} ${newest.digest.slice(0, 12)}, ${images.length} in all`);
  const kernel = await findKernel(host.dataDir);
  yield kernel === undefined
    ? { ...pass("guest kernel", "none yet; only QEMU needs one: hearth setup qemu"), status: "info" }
    : pass("guest kernel", kernel.version);
  for (const { name, label, load } of host.candidates) {
    const provider = await load();
    yield probeLine(label, name, await provider.probe());
  }
}

function probeLine(subject: string, provider: ProviderName, probe: Probe): DoctorLine {
  return probe.ok
    ? { ...pass(subject, `${probe.isolation}; ${probe.detail}`), provider }
    : { ...fail(subject, probe.reason, probe.fix), provider };
}

async function inspectGit(): Promise<DoctorLine> {
  try {
    const { stdout } = await runCommand(["git", "--version"]);
    return pass("git", stdout.trim().replace(/^git version /, ""));
  } catch {
    return fail("git", "not found", "sudo apt-get install git");
  }
}

function pass(subject: string, detail: string): DoctorLine {
  return { status: "pass", subject, detail, fix: undefined, provider: undefined };
}

function fail(subject: string, detail: string, fix: string): DoctorLine {
  return { status: "fail", subject, detail, fix, provider: undefined };
}
