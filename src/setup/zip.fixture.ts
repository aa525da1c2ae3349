/** Zip archives as Go's proxy and the Python package index give them. */
import { zipOf } from "../lib/zip.fixture.ts";

export function writeZip(files: Readonly<Record<string, string>>): Buffer {
  return zipOf(Object.entries(files).map(([name, content]) => ({ name, content, stored: content.length <= 100 })));
}
