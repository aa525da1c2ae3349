/** `hearth image build|list|rm`: the root file systems that machines start from. */
import { mebibytes, minuteText } from "./cell-text.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth, ImageSummary } from "./hearth.ts";
import { withInterrupt } from "./interrupt.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** Progress goes to stderr, the image's directory to stdout. */
export async function buildImage(
  { images }: Hearth,
  terminal: Terminal,
  definition: string | undefined,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const image = await withInterrupt(terminal, (signal) =>
    images.build({ definition, progress: (line) => err.write(`${plainText(line)}\n`), signal }),
  );
  err.write(`${describe(image)}\n`);
  out.write(`${image.directory}\n`);
  return exitCode.success;
}

export async function listImages({ images }: Hearth, { out, err }: Terminal): Promise<ExitCode> {
  const found = await images.list();
  if (found.length === 0) {
    err.write("No images yet: `hearth image build` makes one.\n");
    return exitCode.success;
  }
  const rows = found.map(({ name, digest, builtAt, sizeBytes, directory }) =>
    [name, digest.slice(0, 12), mebibytes(sizeBytes), minuteText(builtAt.toISOString()), directory].map(plainText),
  );
  writeTable(out, ["NAME", "DIGEST", "SIZE", "BUILT", "DIRECTORY"], rows);
  return exitCode.success;
}

export async function removeImage({ images }: Hearth, { err }: Terminal, name: string): Promise<ExitCode> {
  err.write(`removed ${describe(await images.remove(name))}\n`);
  return exitCode.success;
}

function describe({ name, digest, sizeBytes }: ImageSummary): string {
  return `image ${plainText(name)} ${digest.slice(0, 12)}, ${mebibytes(sizeBytes)}`;
}
