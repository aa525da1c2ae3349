/**
 * Reads a file of a repository, which may be a stranger's: only a regular file (a link to a device never ends, a pipe never
 * begins), and never more of it than may be used. Synchronous: such files are small, and planning reads them in between.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { relative, sep } from "node:path";

/** No link may lead out of `root`; undefined for a file that the operator named. Throws what the file system throws, and errors with the same kind of `code` for what is no regular file or too large. */
export function readFileWithin(path: string, maxBytes: number, root: string | undefined): Buffer {
  const inside = root === undefined ? "" : relative(realpathSync(root), realpathSync(path));
  if (inside === ".." || inside.startsWith(`..${sep}`)) {
    throw new FileRefused("ELINK", "it is a link that leads out of the repository");
  }
  // Without O_NONBLOCK opening a pipe waits for a writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) throw new FileRefused("ENOTFILE", "it is not a regular file");
    const content = Buffer.allocUnsafe(Math.min(fstatSync(file).size, maxBytes) + 1);
    let length = 0;
    while (length < content.length) {
      const count = readSync(file, content, length, content.length - length, null);
      if (count === 0) return content.subarray(0, length);
      length += count;
    }
    // It was larger from the start, or somebody is writing to it.
    throw new FileRefused("EFBIG", `it is larger than ${maxBytes} bytes, or it is growing`);
  } finally {
    closeSync(file);
  }
}

class FileRefused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
